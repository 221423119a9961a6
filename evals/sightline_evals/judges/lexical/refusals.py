# ruff: noqa: RUF001 - text of other languages
"""Sentences that only say that there is no answer, in ten languages.

Only phrases that clearly state that the sources hold no answer, or that the speaker has none: a claim mistaken for a
refusal would not be checked. A refusal that goes on to claim something (``…, but the limit is 5``) is a claim.
"""

from __future__ import annotations

import re
from typing import Final

from sightline_evals.judges.lexical.words import straightened

_SOURCES: Final = r"(?:context|passage|document|source|text|documentation|search result)s?"
_ENGLISH: Final = (
    r"\b(?:i|we) (?:do not|don't|do n't) (?:know\b(?!,? (?:if|that|whether))|have (?:\w+ ){0,2}"
    r"(?:information|answer|context|details|data)\b)"
    r"|\b(?:i|we)(?:'m| am| are)? (?:cannot|can't|could not|couldn't|unable to|not able to|did not|didn't)"
    r" (?:find|answer|determine|locate|provide|help|assist)\b"
    r"|\b(?:i|we) found (?:nothing|no )|\b(?:i am|i'm|i 'm) (?:not sure|unsure)\b"
    rf"|\b{_SOURCES} (?:provided |given )?(?:do not|does not|don't|doesn't)"
    r" (?:contain|mention|provide|specify|say|answer)\b"
    rf"|\bnot (?:mentioned|specified|provided|stated|found) in the (?:\w+ )?{_SOURCES}\b"
    rf"|\b(?:nothing|no \w+(?: \w+)?) (?:was |were )?(?:found )?in the (?:\w+ )?{_SOURCES}\b"
    r"|\bthere is (?:no|not enough) (?:\w+ )?(?:information|mention) (?:about|on|of|regarding|in|to)\b"
)
_OTHERS: Final = (
    # German
    r"\b(?:ich|wir) (?:wei(?:ß|ss)|wissen) (?:es |das |die antwort |darauf )?(?:leider )?(?:nicht|keine antwort)\b"
    r"|\b(?:kann|können|konnte|konnten) (?:\w+ ){0,2}?(?:ich|wir) (?:\w+ ){0,6}?(?:nicht|keine) (?:\w+ ){0,4}?"
    r"(?:beantworten|finden|helfen|sagen)\b"
    r"|\b(?:ich|wir) (?:kann|können|konnte|konnten) (?:\w+ ){0,6}?(?:nicht|keine) (?:\w+ ){0,4}?"
    r"(?:beantworten|finden|helfen|sagen)\b"
    r"|\b(?:ich|wir) (?:habe|haben) (?:leider |dazu |darüber |hierzu )*keine (?:\w+ )?(?:information|angabe|antwort)"
    r"|\b(?:dazu|darüber|hierzu) (?:liegen|liegt|gibt es|habe ich|finde ich|steht) (?:\w+ ){0,4}?(?:keine|nichts)\b"
    r"|\b(?:dokument|text|quelle|passage|abschnitt|unterlage|kontext)\w* (?:\w+ )?"
    r"(?:enthält|enthalten|nennt|nennen|sagt|sagen|erwähnt|erwähnen) (?:\w+ ){0,3}?(?:keine|nichts|nicht)\b"
    # French
    r"|\bje (?:ne |n')?(?:le )?sais pas\b|\bje (?:ne |n')?(?:peux|puis|trouve|dispose|ai) (?:\w+ ){0,2}?"
    r"(?:pas|aucune)\b (?:\w+ |d'){0,5}?(?:répondre|trouv\w+|information\w*|réponse|aider)"
    r"|\b(?:documents?|passages?|textes?|sources?|contexte) (?:fournis? )?(?:ne |n')(?:contien\w+|mentionn\w+|"
    r"indiqu\w+|précis\w+|fourni\w+) (?:pas|aucune?)\b"
    # Spanish
    r"|\bno (?:lo )?sé\b|\bno (?:puedo|pude|podemos) (?:\w+ ){0,2}?(?:responder|encontrar|ayudar|contestar)"
    r"|\bno (?:tengo|tenemos|dispongo de|encuentro|encontré) (?:\w+ ){0,2}?(?:información|respuesta|datos)\b"
    r"|\b(?:documentos?|pasajes?|textos?|fuentes?|contexto) (?:\w+ )?no "
    r"(?:contiene|menciona|indica|especifica|dice)n?\b"
    # Italian
    r"|\bnon (?:lo )?so\b(?! che)|\bnon (?:posso|riesco a|sono in grado di) (?:\w+ )?(?:rispond\w+|trovar\w+|aiutar\w+)"
    r"|\bnon (?:ho|abbiamo|dispongo di|trovo|ho trovato) (?:\w+ ){0,2}?(?:informazion\w+|rispost\w+|dat[io])\b"
    r"|\b(?:document[oi]|passagg[io]|test[oi]|font[ei]|contesto) (?:\w+ )?non (?:contien\w+|contengono|menzion\w+|"
    r"indic\w+|specific\w+|dic\w+)\b"
    # Portuguese
    r"|\b(?:eu )?não sei\b|\bnão (?:posso|consigo|consegui) (?:\w+ )?(?:responder|encontrar|ajudar)"
    r"|\bnão (?:tenho|temos|encontrei|encontro) (?:\w+ ){0,2}?(?:informaç\w+|resposta|dados)\b"
    r"|\b(?:documentos?|passagens?|trechos?|textos?|fontes?|contexto) (?:\w+ )?não (?:contêm|contém|menciona\w*|"
    r"indica\w*|especifica\w*|diz\w*)(?!\w)"
    # Dutch
    r"|\b(?:ik|wij|we) (?:weet|weten) (?:het |dat )?niet\b"
    r"|\b(?:ik|wij|we) (?:kan|kunnen|kon) (?:\w+ ){0,5}?(?:niet|geen) (?:\w+ ){0,4}?"
    r"(?:beantwoorden|vinden|helpen|geven)\b"
    r"|\b(?:ik|wij|we) (?:heb|hebben|vind|vinden) (?:\w+ ){0,3}?geen (?:\w+ )?(?:informatie|antwoord|gegevens)\b"
    r"|\b(?:documenten|document|tekst|passages?|bronnen|bron|context) "
    r"(?:bevat|bevatten|vermeldt|vermelden|noemt|noemen|zegt|zeggen) (?:\w+ ){0,3}?(?:geen|niets|niet)\b"
    # Polish
    r"|\bnie (?:wiem|znam odpowiedzi)\b|\bnie (?:mogę|potrafię|jestem w stanie) (?:\w+ ){0,3}?"
    r"(?:odpowiedzieć|znaleźć|pomóc)"
    r"|\bnie (?:mam|posiadam|znalazłe?[ma]m?|znajduję) (?:\w+ ){0,3}?(?:informacji|odpowiedzi|danych)\b"
    r"|\b(?:dokument|tekst|fragment|źródł|kontekst)\w* (?:\w+ )?nie (?:zawiera|wspomina|podaje|mówi|określa)\w*"
    # Chinese
    r"|(?:^|我|抱歉[,，]?)(?:不知道|不清楚|無法回答|无法回答)"
    r"|(?:(?:没有|沒有|未|无|無)(?:提供|提到|提及|包含|说明|說明|找到|足够|足夠|相关|相關)|(?:找不到|[无無]法找到)).{0,12}"
    r"(?:信息|資訊|资讯|内容|內容|答案|资料|資料|问题|問題)"
    r"|(?:文档|文件|段落|资料|資料|上下文|原文|材料|文中)(?:中|里|裡)?(?:并|並)?(?:没有|沒有|未)"
    r"(?:提供|提到|提及|包含|说明|說明)"
    # Japanese
    r"|(?:わかりません|分かりません|分りません|存じません|お答えできません|回答できません)"
    r"|(?:記載|情報|言及|記述|説明|答え)(?:は|が|も)?"
    r"(?:含まれて(?:い)?ません|ありません|されて(?:い)?ません|見つかりません|見当たりません)"
)
_REFUSAL: Final = re.compile(f"{_ENGLISH}|{_OTHERS}", re.IGNORECASE)
_TURN: Final = re.compile(
    r"\b(?:but|however|though|yet|aber|jedoch|allerdings|mais|cependant|toutefois|pero|aunque|ma|però|tuttavia|mas|porém|"
    r"maar|echter|ale|jednak)\b|但|不过|然而|しかし|ただし|ですが",
    re.IGNORECASE,
)


def is_refusal(sentence: str) -> bool:
    """Whether a sentence only says that there is no answer, which is no claim about the world.

    A sentence that goes on to claim something (``…, but the limit is 5``) is none.
    """
    straight_quoted = straightened(sentence)
    refusal = _REFUSAL.search(straight_quoted)
    return refusal is not None and not _TURN.search(straight_quoted, refusal.end())
