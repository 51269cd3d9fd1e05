"""The shapes of GUI talk behind `gui_talk`, English and Chinese, as data (api-contract 5)."""

import re

from nemo.phrases_table import Action

Kinds = tuple[tuple[Action | None, re.Pattern[str]], ...]

_HEAD = (
    r"(?:(?:you (?:can|could|may|should|need to|just need to|might)|please|simply|just|now|then|next|first"
    r"|finally|and|also|or|go ahead and|feel free to|try to|to|let's) )*"
)
_WIDGET = (
    r"(?:button|icon|panel|menu|tab|dialog|window|sidebar|toolbar|settings?|timeline|editor|workspace"
    r"|preview|page|link|option|app)\b"
)
_CLICK = (
    rf"{_HEAD}(?:(?:left-|right-|double-)?click|tap)(?:ing)?\b"
    rf"|{_HEAD}(?:press|hit|select|choose|pick|use|toggle)\b[^.]*\b{_WIDGET}"
)
_OPEN = rf"{_HEAD}(?:open|go to|head to|head over to|navigate to|switch to)\b"
_DRAG = (
    rf"{_HEAD}drag\b|{_HEAD}drop (?:the|your|it|a)\b[^.]*\b(?:timeline|track|canvas|here|panel|onto|into)\b"
)
_PREVIEW = (
    rf"{_HEAD}(?:preview|review|watch|see|view|check|play)\b[^.]*\b(?:in|on) (?:the|your)"
    r" (?:timeline|preview|player|canvas|editor|workspace)"
)
_EXPORT = (
    rf"{_HEAD}(?:export|download)(?: (?:the|your|it|this|when|whenever|now|as|and|or|to|in|button)\b.*)?\W*$"
    rf"|{_HEAD}(?:you(?:'re| are) |it(?:'s| is) |(?:the|your) (?:video|clip) is )?(?:now )?ready"
    r" (?:to|for) (?:export|download)"
)
_ACCOUNT = rf"{_HEAD}(?:check|visit|see|review|manage)\b[^.]*\b(?:account|billing|subscription page)"
_ZH_HEAD = r"(?:请|你可以|您可以|可以|就可以|即可|然后|再|并|现在|就能|准备好|最后|之后|先|接着)*"

# A clause is of the first kind that fits. None: a click, which stands for what it is on.
ENGLISH: Kinds = tuple(
    (action, re.compile(pattern, re.IGNORECASE))
    for action, pattern in (
        (None, _CLICK),
        (Action.EDIT, _DRAG),
        (Action.CREDITS, _ACCOUNT),
        (Action.STATUS, _PREVIEW),
        (Action.STATUS, _OPEN),
        (Action.EXPORT, _EXPORT),
    )
)
CHINESE: Kinds = tuple(
    (action, re.compile(pattern))
    for action, pattern in (
        (None, r".*(?:点击|单击|双击|点按|轻点|点一下|按下.*(?:按钮|键))"),
        (Action.EDIT, r".*(?:拖拽|拖动|拖放|拖到|拖入|拖进)"),
        (Action.CREDITS, rf"{_ZH_HEAD}(?:查看|检查|前往|进入).*(?:账户|账号|账单|订阅)"),
        (Action.STATUS, r".*(?:时间线|时间轴|预览窗口|播放器)(?:中|上|里)?(?:进行)?(?:预览|查看)"),
        (Action.STATUS, rf"{_ZH_HEAD}预览(?:时间线|时间轴)"),
        (Action.STATUS, rf"{_ZH_HEAD}打开(?!了)"),
        (Action.EXPORT, rf"{_ZH_HEAD}(?:导出|下载)(?!了|完)"),
    )
)
CLICKED: tuple[tuple[Action, re.Pattern[str]], ...] = (
    (Action.EXPORT, re.compile(r"export|download|render|导出|下载|渲染", re.IGNORECASE)),
    (Action.UPLOAD, re.compile(r"upload|import|上传|导入", re.IGNORECASE)),
    (Action.CREDITS, re.compile(r"account|billing|credit|balance|账户|账单|积分|余额", re.IGNORECASE)),
    (Action.STATUS, re.compile(r"preview|play|open|timeline|预览|播放|打开|时间线", re.IGNORECASE)),
)
SENTENCES = re.compile(
    r"[^.!?\n。！？]+(?:\.(?=\w)[^.!?\n。！？]+)*[.!?。！？]*[\"'”’)]*[^\S\n]*|\n+|[.!?。！？]+\s*"
)
CLAUSES = re.compile(
    r",\s+(?:and |then |so |or )?|;\s+|:\s+|\s+[-–—]\s+|\s+(?:and then|then|and|or|so|but)\s+|[，；：、]",
    re.IGNORECASE,
)
# A clause that only says what the click is for goes with it: PURPOSE after it, CONDITION before it.
CONDITION = re.compile(r"(?:to|if|when|once|whenever|in order to)\b|如需|如果|若|要|为了|想", re.IGNORECASE)
PURPOSE = re.compile(
    r"(?:to|if|when|once|whenever|for|where|which)\b|即可|就可以|来|以便|进行|后",
    re.IGNORECASE,
)
SENTENCE_END = re.compile(r"[.!?。！？]*[\"'”’)]*\s*$")
CJK = re.compile(r"[\u3400-\u9fff]")
