"""The language of short instructions; none of these is taken for another."""

import pytest

from worker.language import detect_language

CLEAR = {
    "en": ("add calm piano music", "put a title 'Été à Paris' at the start", "upbeat jazz under the voice"),
    "de": ("füge ruhige Klaviermusik hinzu", "ein langsamer Walzer für mein Hochzeitsvideo"),
    "fr": ("ajoute une musique calme au piano", "une valse lente pour ma vidéo de mariage"),
    "es": ("añade música tranquila de piano", "baja el volumen de la música"),
    "pt": ("adicione música calma de piano", "uma valsa lenta para o meu vídeo de casamento"),
    "it": ("aggiungi musica calma al pianoforte", "musica solo nella prima metà"),
    "nl": ("voeg rustige pianomuziek toe", "een rustige ochtend in de heuvels"),
    "tr": ("videoma arka plan müziği ekle", "müzik sadece ilk yarıda"),
    "pl": ("dodaj spokojną muzykę na pianinie", "wesoła muzyka w tle"),
    "zh-CN": ("给我的视频加背景音乐", "添加轻松的 piano 音乐"),
    "ja": ("動画にBGMをつけて", "静かな朝の山で"),
    "ko": ("배경음악 넣어줘",),
    "ru": ("убери барабаны",),
    "ar": ("أضف موسيقى هادئة",),
    "hi": ("वीडियो में संगीत डालो",),
}


@pytest.mark.parametrize(
    ("language", "text"), [(one, text) for one, texts in CLEAR.items() for text in texts]
)
def test_a_clear_text_is_recognised(language: str, text: str) -> None:
    assert detect_language([text]) == language


@pytest.mark.parametrize("texts", [[], ["jazz"], ["lo-fi 30%"], ["'le la les un une'"], ["x", "y"]])
def test_what_is_not_clear_is_left_open(texts: list[str]) -> None:
    assert detect_language(texts) is None
