"""The words behind `phrases`: English and Chinese, as data (api-contract 5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What an instruction asks for, or what the backend's GUI talk stands for."""

    EDIT = "edit"
    EXPORT = "export"
    CREDITS = "credits"
    STATUS = "status"
    UPLOAD = "upload"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A request for an action holds a core word and nothing that is in neither set."""

    core: frozenset[str]
    filler: frozenset[str]


# Words that carry no intent of their own.
_POLITE = _words(
    "please pls now just again then ok okay hey hi can could would will you i me my we us our let's "
    "lets want to need like let go ahead and the a an this that for of in on it's is are do does have "
    "got at all right thanks thank so what what's whats how tell give get see know look time ready 请 "
    "帮 帮我 我 我要 我想 想 要 你 您 给我 给 把 将 一下 吧 了 呢 吗 现在 可以 能 能不能 可不可以 麻烦 "
    "就 再 的 这个 这 这段 这条 那个 那 看 看看 看一下 告诉我 谢谢 好了 直接 马上 立即"
)
_DELIVERABLE = _words(
    "video videos clip clips movie film file files mp4 mov result project timeline reel version output "
    "cut edit 视频 影片 成片 文件 片子 作品 短片 项目 结果 成品"
)
_FORMAT = _words(
    "it them final finished completed complete edited full whole hd high quality resolution format "
    "1080p 720p 4k original best as with out off here over mine new latest current everything 最终 最后 "
    "完成 高清 格式 画质 最高 原 出来 出 下来 为 成 到 本地 这里 全部"
)
_HOLDINGS = _words(
    "many much left remaining remain available current account total cost spent spend used use check "
    "show any there more still number amount billing free i've credit's 查 查看 查询 查下 还 还有 还剩 "
    "剩 剩下 剩余 剩多少 多少 几 有 账户 账号 当前 目前 显示 用 用了 可用 够 个"
)
_SHOWING = _words(
    "show list display check current currently session draft edit project timeline's there view print "
    "summary summarise summarize overview far progress job render export upload of it video stand "
    "stands we've what've each 查 查看 查询 显示 列出 当前 目前 项目 视频 编辑 草稿 会话 渲染 进度 有 "
    "有哪些 哪些 什么 是 怎么样 如何 是什么 所有 全部"
)
_SENDING = _words(
    "video videos clip clips movie film file files footage photo photos picture pictures image images "
    "audio song mp3 mp4 mov avi webm mkv wav jpg png some another more it them here new other from "
    "computer disk folder phone 视频 文件 素材 图片 照片 音频 新 一个 一段 几个 些 这里 本地 另一个 "
    "更多 到 这 片段"
)

# In this order: the first that fits is the action.
REQUESTS: Mapping[Action, Vocabulary] = {
    Action.EXPORT: Vocabulary(
        _words("export exporting download render 导出 下载 输出 渲染 发给我 发我 传给我 保存"),
        _POLITE
        | _DELIVERABLE
        | _FORMAT
        | _words("send save deliver finish start begin rendering 开始 保存 一份"),
    ),
    Action.CREDITS: Vocabulary(
        _words("credit credits balance billing 积分 余额 点数 额度"), _POLITE | _HOLDINGS
    ),
    Action.STATUS: Vocabulary(
        _words("status state tracks timeline progress 状态 轨道 时间线 时间轴 进度 进展"), _POLITE | _SHOWING
    ),
    Action.UPLOAD: Vocabulary(_words("upload uploading 上传 传上去"), _POLITE | _SENDING),
}

# A delivery may be asked for without any of the core words.
_PLEASE = r"(?:(?:please|pls|can|could|would|you|now|ok|then|just) )*"
DELIVERIES: tuple[str, ...] = (
    rf"{_PLEASE}(send|give|get|email|hand|deliver)( me| us)? (the|my|that|this)?\s?"
    r"(final |finished |edited )*(video|clip|movie|film|file|mp4|result)( now| please| back| over)*",
    rf"{_PLEASE}save (the|my|that|this) (final |finished |edited )*"
    r"(video|clip|movie|film|mp4|result|project)( .*mp4)?( now)?",
)
# Made of an action's words, and yet an edit: "balance it" speaks of loudness.
NO_REQUEST: frozenset[str] = frozenset({"balance it", "balance them", "balance that", "balance this"})
EXPORT_VERBS = frozenset({"export", "download", "render"})
EXPORT_VERBS_ZH = ("导出", "下载", "输出", "渲染")
# What an export cannot have, and an edit can: with one of these, "export …" at the head is an edit.
EDIT_WORDS = _words(
    "mood music song songs bgm soundtrack feel feeling vibe vibes atmosphere sound sounds style tone "
    "title subtitle caption captions add remove make mix fade beat melody tune bright 音乐 歌 配乐 氛围 "
    "感觉 风格 情绪 音效 字幕 标题"
)
DELIVERABLE_WORDS = _DELIVERABLE

MUSIC_WORDS = (
    r"\b(?:music|bgm|songs?|soundtracks?|melod(?:y|ies)|tunes?|score|beats?|jingle|instrumental|lo-?fi|"
    r"background (?:audio|track)|audio track|music(?:al)? (?:bed|track)|hip-?hop|jazz|techno|edm|symphony)\b"
    r"|音乐|配乐|背景乐|歌曲|歌|曲子|曲|乐曲|伴奏|旋律"
)
# The music is to go, and nothing else is to come.
MUSIC_GONE = (
    r"\b(?:remove|delete|drop|mute|erase|kill|cut out|get rid of|take (?:out|away|off)|strip)\s+"
    r"(?:(?:the|all|any|that|this|my|old|existing|current|original|background|added)\s+)*"
    r"(?:music|bgm|songs?|soundtrack|audio track|background (?:audio|track)|beats?)\b"
    r"|\b(?:no|without|don't (?:add|want|use)|do not (?:add|want|use))(?: (?:any|the|more|background))*"
    r" (?:music|bgm|songs?|soundtrack)\b"
    r"|(?:去掉|删除|删掉|移除|去除|关掉|静音|不要|不加|别加|取消|没有)"
    r"(?:所有|原来|原有|这段|的|背景|任何)*(?:音乐|配乐|歌曲|歌|BGM|bgm)"
)

NOISE = (
    r"\b(?:encountered|ran into|hit|experienced|having|had|there (?:is|was))\b[^.!?]{0,30}"
    r"\btemporary\b[^.!?]{0,20}\b(?:issue|problem|error|glitch|difficult(?:y|ies))\b"
    r"|\btemporar(?:y|ily)\b[^.!?]{0,20}\b(?:issue|problem|error|glitch|unavailable)\b"
    r"[^.!?]*(?:try again|later|retry)"
    r"|(?:遇到|出现|发生)了?[^。！？]{0,10}(?:临时|暂时)[^。！？]{0,10}(?:问题|错误|故障)"
)

QUESTION = (
    r"[?？]\s*[\"'”’)）\]]*\s*$|[?？]\s"
    r"|\b(?:please |could you |can you )?(?:let me know|tell me|specify|clarify|confirm|choose|describe)"
    r"\b[^.!]{0,40}"
    r"\b(?:which|what|whether|how|if you|your|the (?:mood|style|genre))\b"
    r"|\b(?:which|what) (?:mood|style|genre|kind|type|sort|song|music)\b[^.!]{0,60}"
    r"\b(?:would|do|should) (?:you|i)\b"
    r"|(?:请|麻烦)?(?:告诉我|选择|确认|说明|提供)[^。！]{0,20}(?:哪|什么|多少|是否|风格|类型|情绪)"
    r"|(?:吗|呢)\s*[。.!！]?\s*$|请问"
)
