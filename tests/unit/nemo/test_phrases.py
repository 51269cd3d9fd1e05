"""Routing by intent, GUI talk, and judgements of the agent's words: tables, tricky ones included."""

import pytest

from nemo import (
    Action,
    actions,
    asks_for_music,
    is_question,
    is_temporary_noise,
    route,
    translate,
    without_export,
)

EXPORT = """
export | Export! | please export the video | export it | download | Download it now
can you download the video? | send me the video | please send me the final video | give me the mp4
export 1080p MP4 | export as mp4 | how do I export? | render it | export the final video in 4K
save the video | I want to download my video | export my holiday clip
download the finished file please | let's export | 导出 | 导出视频 | 请导出成片 | 帮我下载视频
把视频发给我 | 下载 | 导出MP4 | 现在导出吧 | 我想下载这个视频 | 把我的旅行视频导出
"""
CREDITS = """
credits | Credits? | balance | how many credits do I have left? | check my balance | what's my balance
show credits | how many credits are left | my credits please | check credits | credit balance
check billing | 积分 | 余额 | 还剩多少积分？ | 查一下余额 | 我的积分 | 查询积分余额 | 我还有多少积分
"""
STATUS = """
status | Status? | show tracks | show the tracks | show me the timeline | what's the status
current status | list the tracks | what is on the timeline? | render status | show status please
check the status of my project | 状态 | 当前状态 | 查看状态 | 显示轨道 | 现在是什么状态？ | 看一下时间线
渲染进度怎么样
"""
UPLOAD = """
upload | upload this file | upload my video | please upload the clip | I want to upload a video
upload it | can I upload another file? | upload some photos | 上传 | 上传视频 | 我要上传一个文件
请上传素材 | 帮我上传这段视频
"""
EDIT = """
add music and export a bright mood | export a bright mood | add an uploading sound | 状态很好的音乐
add background music to my video and fade it out at the end | add end credits
roll the credits at the end | balance the audio | balance the music with my voice | balance it
fix the white balance | add a status bar overlay | a song about social status | credits music, please
make an upload-style progress bar | generate | add BGM | make it softer | download-free stock feeling
add a download button sound | music for the closing credits
find and sync the best background music track to match my video mood | export vibes, epic
render the title bigger | add background music that matches the mood of my video
show the title at 3 seconds | make the state flag wave
generate a background music track that matches the mood and pace of my video
trim to the first 10 seconds | add a 60-second product demo video into a 1080p MP4
add the text "Upload now" | add the title "Export" | 加一段欢快的背景音乐 | 导出感很强的音乐
音量平衡一点 | 积分榜风格的配乐 | 上传时的音效 | 片尾字幕 | 下载按钮的音效 | 让人状态放松的曲子
balance this | balance that
给视频加上余额不足的提示音
"""
TABLE = [
    (phrase.strip(), action)
    for action, phrases in (
        (Action.EXPORT, EXPORT),
        (Action.CREDITS, CREDITS),
        (Action.STATUS, STATUS),
        (Action.UPLOAD, UPLOAD),
        (Action.EDIT, EDIT),
    )
    for line in phrases.strip().splitlines()
    for phrase in line.split("|")
]


def test_the_table_is_as_long_as_it_should_be() -> None:
    assert len(TABLE) == len(dict(TABLE)) >= 60


@pytest.mark.parametrize(("phrase", "action"), TABLE)
def test_an_instruction_is_routed_by_its_intent(phrase: str, action: Action) -> None:
    assert route(phrase) is action


@pytest.mark.parametrize("phrase", ["", "   ", "!!!", "🎵"])
def test_nothing_is_an_edit(phrase: str) -> None:
    assert route(phrase) is Action.EDIT


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ("add calm music and export it", "add calm music"),
        ("add calm music, then export the video", "add calm music"),
        ("add calm music and fade it out. Export!", "add calm music and fade it out"),
        ("加点音乐，然后导出视频", "加点音乐"),
        ("加点音乐再导出", "加点音乐"),
        ("add music and export a bright mood", "add music and export a bright mood"),
        ("add music and a title", "add music and a title"),
        ("export", "export"),
    ],
)
def test_an_export_at_the_end_is_not_sent(said: str, sent: str) -> None:
    assert without_export(said) == sent


@pytest.mark.parametrize(
    ("said", "kept", "done"),
    [
        ("Added lo-fi music. Click Export", "Added lo-fi music.", (Action.EXPORT,)),
        ("Added lo-fi music. Click Export to download your video.", "Added lo-fi music.", (Action.EXPORT,)),
        ("I added music, click the Export button to save it.", "I added music.", (Action.EXPORT,)),
        ("Done! You can now preview the result in the timeline.", "Done!", (Action.STATUS,)),
        ("Open the audio panel to see it.", "", (Action.STATUS,)),
        (
            "Drag the clip to the second track and I set the volume to 35%.",
            "I set the volume to 35%.",
            (Action.EDIT,),
        ),
        ("The music is in. Export when ready.", "The music is in.", (Action.EXPORT,)),
        ("You're out of credits. Check your account for more.", "You're out of credits.", (Action.CREDITS,)),
        ("Your video is ready to export! It lasts 8.5 seconds.", "It lasts 8.5 seconds.", (Action.EXPORT,)),
        ("Please upload a clip: click Upload.", "Please upload a clip.", (Action.UPLOAD,)),
        ("已添加轻柔的背景音乐。点击导出即可下载视频。", "已添加轻柔的背景音乐。", (Action.EXPORT,)),
        ("音乐已添加，请打开时间线查看。", "音乐已添加。", (Action.STATUS,)),
        ("请将素材拖拽到轨道上。音量为35%。", "音量为35%。", (Action.EDIT,)),
        ("配乐完成。可以在时间线中预览。", "配乐完成。", (Action.STATUS,)),
        ("请查看您的账户。", "", (Action.CREDITS,)),
        ("现在可以导出视频了。", "", (Action.EXPORT,)),
        ("点击导出，即可得到视频。音量为35%。", "音量为35%。", (Action.EXPORT,)),
        ("Added music. Click Export, when you are ready.", "Added music.", (Action.EXPORT,)),
        ("Added music. To download it, click Export.", "Added music.", (Action.EXPORT,)),
        ("If you like it, you can export the video.", "", (Action.EXPORT,)),
        ("Click Export, and in the end the music fades.", "In the end the music fades.", (Action.EXPORT,)),
        ("To fit the mood, I chose strings.", "To fit the mood, I chose strings.", ()),
        ("Line one.\n\nClick Export.\n\nLine two.", "Line one.\n\nLine two.", (Action.EXPORT,)),
    ],
)
def test_gui_talk_goes_and_content_stays(said: str, kept: str, done: tuple[Action, ...]) -> None:
    assert translate(said) == kept
    assert actions(said) == done


@pytest.mark.parametrize(
    "said",
    [
        "Added background music: Lo-fi, 35%, faded out over 3.5 seconds.",
        "I opened with a soft piano and closed with strings.",
        "The music clicks with the cuts.",
        "Which mood would you like: calm, happy or epic?",
        'Title "Urban Dreams" added (0-3s), in white.',
        "已添加音乐，音量为 35%，结尾淡出。",
        "- BGM: Lo-fi\n- Title: Hello\n",
    ],
)
def test_content_is_left_as_it_is(said: str) -> None:
    assert translate(said) == said.strip()
    assert actions(said) == ()


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("Which mood would you like?", True),
        ("What kind of music should I add?", True),
        ("Please tell me which style you prefer.", True),
        ("Let me know what mood you want.", True),
        ("您想要什么风格的音乐？", True),
        ("请告诉我您喜欢哪种风格。", True),
        ("需要淡出吗", True),
        ("Added lo-fi music at 35%.", False),
        ("I chose a calm mood. The music fades out at the end.", False),
        ("已添加背景音乐。", False),
    ],
)
def test_questions(said: str, asked: bool) -> None:
    assert is_question(said) is asked


@pytest.mark.parametrize(
    ("said", "noise"),
    [
        ("I encountered a temporary issue.", True),
        ("Sorry, I encountered a temporary issue. Please try again.", True),
        ("I ran into a temporary problem while doing that", True),
        ("抱歉，遇到了临时问题，请稍后再试。", True),
        ("Added a temporary title.", False),
        ("There is an issue with your file.", False),
        ("Music added.", False),
    ],
)
def test_noise(said: str, noise: bool) -> None:
    assert is_temporary_noise(said) is noise


@pytest.mark.parametrize(
    ("instruction", "wanted"),
    [
        ("add background music to my video and fade it out at the end", True),
        ("find a lo-fi beat", True),
        ("make the music softer", True),
        ("replace the music with jazz", True),
        ("remove the old music and add a calm song", True),
        ("add bgm", True),
        ("加一段背景音乐", True),
        ("配乐", True),
        ("remove the music", False),
        ("no music please, just a title", False),
        ('add the title "Music Day"', False),
        ("trim to 10 seconds", False),
        ("mute the original sound", False),
        ("去掉背景音乐", False),
        ("不要音乐，只加标题", False),
        ("compose a 9:16 crop", False),
    ],
)
def test_whether_music_is_wanted(instruction: str, wanted: bool) -> None:
    assert asks_for_music(instruction) is wanted
