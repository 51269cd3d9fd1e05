"""Routing by intent, GUI talk, and judgements of the agent's words: tables, tricky ones included."""

import pytest

from nemovideo.stream import is_temporary_noise
from worker.agent_text import (
    Action,
    ask_for_video,
    asks_for_music,
    describe_tool,
    is_question,
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
export at 60fps | export 1080x1920 | export the audio only | export only the audio | render at 30 fps
export in 1080x1920 at 60 fps | download it in 720p | export h264 | export at 24 frames per second | 导出60帧
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
add music and export a bright mood | export a 60s mood | export a bright mood | add an uploading sound
状态很好的音乐 | 状态不错的配乐
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
        ("add calm music and export at 60fps", "add calm music"),
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
    ("said", "kept"),
    [
        ("Added lo-fi music. Click Export", "Added lo-fi music."),
        ("Added lo-fi music. Click Export to download your video.", "Added lo-fi music."),
        ("I added music, click the Export button to save it.", "I added music."),
        ("Done! You can now preview the result in the timeline.", "Done!"),
        ("Open the audio panel to see it.", ""),
        ("Drag the clip to the second track and I set the volume to 35%.", "I set the volume to 35%."),
        ("The music is in. Export when ready.", "The music is in."),
        ("You're out of credits. Check your account for more.", "You're out of credits."),
        ("Your video is ready to export! It lasts 8.5 seconds.", "It lasts 8.5 seconds."),
        ("Please upload a clip: click Upload.", "Please upload a clip."),
        ("已添加轻柔的背景音乐。点击导出即可下载视频。", "已添加轻柔的背景音乐。"),
        ("音乐已添加，请打开时间线查看。", "音乐已添加。"),
        ("请将素材拖拽到轨道上。音量为35%。", "音量为35%。"),
        ("配乐完成。可以在时间线中预览。", "配乐完成。"),
        ("请查看您的账户。", ""),
        ("现在可以导出视频了。", ""),
        ("点击导出，即可得到视频。音量为35%。", "音量为35%。"),
        ("Added music. Click Export, when you are ready.", "Added music."),
        ("Added music. To download it, click Export.", "Added music."),
        ("If you like it, you can export the video.", ""),
        ("Click Export, and in the end the music fades.", "In the end the music fades."),
        ("To fit the mood, I chose strings.", "To fit the mood, I chose strings."),
        ("Line one.\n\nClick Export.\n\nLine two.", "Line one.\n\nLine two."),
        ("Music is in. Hit **Export** to save it.", "Music is in."),
        ("I added lo-fi music (35%), and you can click **Play** to listen.", "I added lo-fi music (35%)."),
        ("Done. Preview in timeline.", "Done."),
        ("Added calm music, preview in timeline to hear it.", "Added calm music."),
        (
            "Your music is ready.\nTo get it:\n1. Click **Export**.\n2. Select the Size tab.\n3. Hit Save.",
            "Your music is ready.",
        ),
        (
            "I did this:\n1. Added lo-fi music (35%).\n2. Click Export.\n3. Faded it out.",
            "I did this:\n1. Added lo-fi music (35%).\n3. Faded it out.",
        ),
        ("1. Click A\n2. Click B\n3. Click C", ""),
    ],
)
def test_gui_talk_goes_and_content_stays(said: str, kept: str) -> None:
    assert translate(said) == kept


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


@pytest.mark.parametrize(
    ("words", "instruction"),
    [
        (
            "a calm morning\n in the hills",
            "create a video with background music: a calm morning in the hills",
        ),
        ("rain, with jazz music", "create a video: rain, with jazz music"),
        ("rain, no music", "create a video: rain, no music"),
        ("export", "create a video with background music: export"),
    ],
)
def test_a_video_is_asked_for_in_words(words: str, instruction: str) -> None:
    assert ask_for_video(words) == instruction
    assert route(instruction) is Action.EDIT


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("add_bgm_track", "Adding music"),
        ("edit_multitrack", "Editing the timeline"),
        ("generate_video_clip", "Making a clip"),
        ("addSubtitles", "Adding text"),
        ("search_library", "Looking for material"),
        ("analyze_video", "Looking at the video"),
        ("get_draft", "Reading the timeline"),
        ("trim_segment", "Cutting"),
        ("tool", ""),
    ],
)
def test_a_tool_is_told_of_in_plain_words(name: str, words: str) -> None:
    assert describe_tool(name) == words
