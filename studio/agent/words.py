"""The words the agent knows, English and Chinese, as tables: phrase to meaning.

A table is tried in order, longer phrases before the words they contain. English phrases match whole words,
Chinese ones anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeVar

Meaning = TypeVar("Meaning")
Table = tuple[tuple[re.Pattern[str], Meaning], ...]

# Chinese characters count as letters in `\w`, and Chinese writes "加bgm" without a space.
_NO_LETTER_BEFORE, _NO_LETTER_AFTER = "(?<![A-Za-z0-9_-])", "(?![A-Za-z0-9_])"
_CJK = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


def pattern(phrases: str) -> re.Pattern[str]:
    """Compile phrases separated by `; ` (each may be a small regular expression) into one pattern."""
    parts = (part if _CJK.search(part) else _as_words(part) for part in phrases.split("; ") if part)
    return re.compile("|".join(parts), re.IGNORECASE)


def table(rows: Iterable[tuple[str, Meaning]]) -> Table[Meaning]:
    """Compile a table of (phrases, meaning)."""
    return tuple((pattern(phrases), meaning) for phrases, meaning in rows)


def meaning_of(known: Table[Meaning], text: str) -> Meaning | None:
    """Answer the first meaning whose phrases are in the text, or None."""
    return next((meaning for phrases, meaning in known if phrases.search(text)), None)


def meanings_of(known: Table[Meaning], text: str) -> tuple[Meaning, ...]:
    """Answer every meaning whose phrases are in the text."""
    return tuple(meaning for phrases, meaning in known if phrases.search(text))


def is_chinese(text: str) -> bool:
    """Say whether the text is written with Chinese (or Japanese) characters."""
    return bool(_CJK.search(text))


def _as_words(part: str) -> str:
    return f"{_NO_LETTER_BEFORE}(?:{part}){_NO_LETTER_AFTER}"


MUSIC = pattern(
    "music; musical; bgm; soundtrack; song; songs; tune; melody; score; audio track; "
    "backing track; beat; beats; instrumental; sound; sounds; audio; "
    "音乐; 配乐; 背景乐; 歌曲; 曲子; 旋律; 音轨; 伴奏; 歌"
)
REQUEST = pattern(
    "add; adding; put; give; generate; create; compose; find; sync; place; include; insert; want; need; get; "
    "choose; pick; match; score; i'd like; would like; i'd love; lay; "
    "make (?:me |some |a |an |new )+; "
    "加; 添加; 配; 来一; 来点; 来段; 生成; 做; 找; 放; 给; 选; 插入"
)
REQUEST_OF_NEW = pattern("use; with; make; set; have; let; 用; 要; 有")
THE_MUSIC = pattern(
    "the (?:background )?(?:music|song|track|bgm|soundtrack|audio|sound|volume|beat); its; 音量; 声音"
)
NEGATION = pattern("don't; dont; do not; no need; never; not; please no; 别; 不用; 无需; 不需要; 不想")

MOODS: Table[str] = table(
    [
        (
            "energetic; upbeat; energy; powerful; dynamic; lively; sporty; workout; exciting; hype; "
            "driving; action; 活力; 动感; 激情; 燃; 热血; 劲爆; 运动; 有力",
            "energetic",
        ),
        (
            "epic; heroic; grand; majestic; dramatic; cinematic; orchestral; triumphant; inspiring; "
            "inspirational; trailer; 史诗; 宏大; 震撼; 大气; 壮观; 励志; 电影感",
            "epic",
        ),
        (
            "sad; sadder; melancholy; melancholic; sorrowful; tearful; emotional; lonely; nostalgic; grief; "
            "moving; 悲伤; 忧伤; 伤感; 难过; 悲; 感人; 催泪; 怀旧; 孤独",
            "sad",
        ),
        (
            "romantic; love song; love theme; love story; wedding; tender; intimate; "
            "sweet; valentine; 浪漫; 爱情; 婚礼; 温柔; 甜蜜; 情歌",
            "romantic",
        ),
        (
            "dark; darker; scary; horror; tense; suspense; suspenseful; ominous; mysterious; mystery; "
            "spooky; creepy; thriller; 黑暗; 恐怖; 紧张; 悬疑; 神秘; 阴森; 惊悚",
            "dark",
        ),
        (
            "dreamy; dreamier; ethereal; ambient; floating; spacey; magical; atmospheric; hazy; surreal; "
            "梦幻; 空灵; 飘渺; 迷幻; 氛围",
            "dreamy",
        ),
        (
            "happy; happier; cheerful; joyful; joyous; fun; funny; playful; sunny; bright; positive; "
            "feel[- ]good; birthday; party; light-hearted; 快乐; 欢快; 开心; 愉快; 轻快; 明亮; 明快; "
            "搞笑; 有趣; 喜庆; 阳光; 生日",
            "happy",
        ),
        (
            "calm; calming; calmer; relax; relaxed; relaxing; peaceful; gentle; soothing; chill; "
            "chilled; mellow; serene; meditation; cozy; soft music; 平静; 安静; 舒缓; 放松; 轻柔; "
            "宁静; 治愈; 悠闲; 柔和的音乐; 温馨",
            "calm",
        ),
    ]
)

GENRES: Table[tuple[str, str]] = table(
    [
        ("lo-?fi; lo fi; study beats; 低保真", ("Lo-fi", "calm")),
        ("synth ?wave; retro wave; 80s; 合成器", ("Synthwave", "dreamy")),
        ("edm; electronic; techno; house; dance; dubstep; 电子; 电音; 舞曲", ("Electronic", "energetic")),
        ("rock; metal; punk; 摇滚; 金属", ("Rock", "energetic")),
        ("hip[- ]?hop; trap; rap; 嘻哈; 说唱", ("Hip-hop", "energetic")),
        ("orchestra; symphony; symphonic; 交响; 管弦", ("Orchestral", "epic")),
        ("classical; piano; 钢琴; 古典", ("Piano", "romantic")),
        ("acoustic; folk; guitar; country; ukulele; 民谣; 吉他; 尤克里里; 乡村", ("Acoustic", "happy")),
        ("jazz; bossa; swing; blues; 爵士; 蓝调", ("Jazz", "romantic")),
        ("pop; 流行", ("Pop", "happy")),
    ]
)

INSTRUMENTS: Table[str] = table(
    [
        ("drums?; percussion; beats?; 鼓点; 鼓; 打击乐", "drums"),
        ("bass; 贝斯; 低音", "bass"),
        ("lead; melody; solo; 旋律; 主旋律", "lead"),
        ("chords; pads?; harmony; strings; 和弦; 铺底; 弦乐", "chords"),
    ]
)

WITHOUT = pattern("no; without; drop; remove; minus; take out; leave out; 不要; 去掉; 没有; 无; 别用; 不用")

TEMPO: Table[float] = table(
    [
        ("much faster; 快很多", 1.3),
        ("much slower; 慢很多", 0.75),
        ("faster; speed up the (?:music|song|beat); quicker; up the tempo; 更快; 快一点; 快点; 加快", 1.15),
        ("slower; slow down the (?:music|song|beat); 更慢; 慢一点; 慢点; 放慢", 0.87),
    ]
)
TEMPO_NEW: Table[float] = table(
    [
        ("fast; up[- ]?tempo; fast-paced; quick; 快节奏; 节奏快", 1.2),
        ("slow; slow-paced; down[- ]?tempo; 慢节奏; 节奏慢", 0.8),
    ]
)

LOUDNESS: Table[float] = table(
    [
        ("very quiet; very soft(?:ly)?; barely audible; subtle; 非常小声; 很轻", 0.12),
        ("quiet; quietly; low volume; softly; in the background; 轻声; 小声; 音量小; 音量低; 低音量", 0.2),
        ("very loud; full volume; max(?:imum)? volume; 最大音量; 非常大声", 0.9),
        ("loud; loudly; high volume; 大声; 音量大; 高音量", 0.6),
    ]
)
LOUDER: Table[float] = table(
    [
        ("much softer; much quieter; a lot quieter; 小很多; 轻很多", 0.5),
        ("much louder; a lot louder; 大很多; 响很多", 1.9),
        (
            "softer; quieter; lower; less loud; turn (?:it |the music |the volume )?down; too loud; "
            "reduce; decrease; 小一点; 小声点; 轻一点; 轻点; 调低; 降低; 调小; 太大; 太响; 柔和一点; "
            "柔和一些",
            0.7,
        ),
        (
            "louder; turn (?:it |the music |the volume )?up; too quiet; too soft; raise; increase; "
            "boost; 大一点; 大声点; 响一点; 调高; 提高; 调大; 太小; 太轻",
            1.4,
        ),
    ]
)

ORIGINAL = pattern(
    "original (?:sound|audio|track|voice|volume); video(?:'s)? (?:sound|audio|volume); "
    "source (?:sound|audio); the original; voice; voices; speech; dialogue; dialog; "
    "narration; 原声; 原音; 原视频声音; 人声; 说话声; 旁白; 视频声音"
)
MUTE = pattern(
    "mute; silence; remove; delete; turn off; drop; no; without; replace; 静音; 去掉; 关掉; "
    "关闭; 删除; 消除; 不要; 替换"
)
KEEP = pattern(
    "keep; clear; hear; heard; audible; understandable; over; under; duck; ducking; 保留; "
    "清楚; 清晰; 听清; 听得见; 突出; 闪避"
)
MUTED = pattern("mute(?! the (?:background )?(?:music|song|bgm|track|soundtrack)); 静音(?!音乐|背景)")
MUTED_MUSIC = pattern(
    "mute the (?:background )?(?:music|song|bgm|track|soundtrack); 静音音乐; 音乐静音; 背景音乐静音"
)
NO_DUCK = pattern("no ducking; don't duck; do not duck; without ducking; 不要闪避")

REMOVE = pattern(
    "remove; delete; take (?:out|off|away); get rid of; drop; lose; no more; erase; 去掉; "
    "删除; 删掉; 移除; 取消; 不要"
)
ANOTHER = pattern(
    "another (?:song|track|tune|one|piece|music); "
    "different (?:song|track|tune|one|piece|music); change the (?:song|music|track); "
    "new (?:song|track|tune); other (?:song|music|track); try again; 换一首; 换首; 换个音乐; "
    "换一个; 换音乐; 另一首; 别的歌; 换歌; 换一种"
)

FADE_IN = pattern(r"fades? (?:\w+ ){0,3}in; fade-in; fading in; ease in; 淡入; 渐入; 渐强")
FADE_OUT = pattern(
    r"fades? (?:\w+ ){0,3}out; fade-out; fading out; fades? away; fade it at the end; "
    r"ease out; 淡出; 渐出; 渐弱; 渐隐"
)
FADE_BOTH = pattern("fade in and out; fades in and out; 淡入淡出")
NO_FADE = pattern(
    "no fades?; no fade-out; without (?:a )?fade; don't fade; do not fade; 不要淡出; 不要淡入; 不要渐弱"
)

TITLE = pattern(
    "title; titles; text; caption; captions; heading; headline; text overlay; words; 标题; "
    "字幕; 文字; 片名; 题目"
)
AT_END = pattern("at the end; in the end; closing; end card; 结尾; 末尾; 最后; 片尾")

ASPECT: Table[tuple[int, int]] = table(
    [
        (r"9\s*[:x×：]\s*16; vertical; portrait; tiktok; reels?; shorts; 竖屏; 竖版; 抖音", (9, 16)),
        (r"1\s*[:x×：]\s*1; square; instagram post; 方形; 正方形", (1, 1)),
        (r"16\s*[:x×：]\s*9; horizontal; landscape; widescreen; youtube; 横屏; 横版; 宽屏", (16, 9)),
        (r"4\s*[:x×：]\s*5", (4, 5)),
    ]
)
FIT: Table[str] = table(
    [
        ("blurred; blur; blurry; 模糊", "blur"),
        ("black bars; letterbox; pillarbox; pad; padding; bars; 黑边; 留边", "pad"),
        ("crop; cropped; fill; 裁切; 裁剪画面; 填满", "crop"),
    ]
)

TRIM = pattern(
    "trim (?:it |the video |the clip )?(?:down )?to; trim(?! off| away| the); shorten; "
    "cut (?:it |the video |the clip )?(?:down )?to; keep (?:only|just); only keep; just keep; "
    "keep the (?:first|last); clip to; limit (?:it )?to; "
    "截取; 剪到; 剪成; 剪辑到; 只保留; 保留前; 保留最后; 裁到; 缩短"
)
CUT = pattern(
    "cut (?:off |out |away )?the (?:first|last|final|opening); "
    "(?:remove|skip|drop|delete|lose|trim|chop)(?: off| away)? the (?:first|last|final|opening); "
    "(?:剪掉|去掉|删除|跳过|删掉|剪去)(?:前|开头|最后|结尾|末尾)"
)
ORDER = pattern(
    "(?:please |pls |can you |could you |now |also )*(?:make|add|put|change|turn|set|apply|insert|remove|"
    "delete|replace|speed|slow|zoom|rotate|flip|mirror|stabili[sz]e|color|colour|translate|convert|draw|"
    "show|blur|sharpen|reverse|record|generate|create); "
    "(?:请|请你|帮我|再|也)*(?:把|将|加|添加|改|变|换|让|调|旋转|翻转|翻译|去掉|删除|生成|画)"
)
"""How an order begins; one that leads to nothing is told to whoever gave it."""
FADES = pattern(f"{FADE_IN.pattern}|{FADE_OUT.pattern}|{FADE_BOTH.pattern}|{NO_FADE.pattern}")
