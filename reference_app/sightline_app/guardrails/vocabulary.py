"""The words that attacks are made of, by concept and in several languages.

A concept is one bit, so a word's concepts are one number. A star ends the beginning of a word (``instruction*``). Words
are written as people write them; :func:`concepts` compares without case, accents and width.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

_WORDS: Final[Mapping[str, str]] = {
    "OVERRIDE": """
        ignore ignoring ignored disregard* forget forgets overrid* overrule* overwrite bypass* neglect dismiss
        discard cancel cancelled canceled erase revoke nullify abandon drop replace circumvent ignoriere
        ignorieren ignoriert vergiss vergesst vergessen missachte* übergehe verwirf ignorez ignorer oublie
        oubliez oublier ignora ignorar olvida olvide olvidar ignorate ignorare dimentica scorda ignorem
        desconsider* esqueça esquece negeer vergeet zignoruj ignoruj zapomnij pomiń ignorera glöm игнорируй*
        проигнорируй* забудь* yoksay yok görmezden unut bỏ 忽略 无视 忘记 忽視 無視 忘れ 무시 잊어 अनदेखा
        नजरअंदाज भूल تجاهل انس""",
    "PRIOR": """
        previous previously prior above earlier preceding former past original before vorherige* bisherige*
        vorige* frühere* obige* ursprüngliche* vorher précédent* antérieur* anterior* previas precedent* eerdere
        vorige voorgaande poprzedni* tidigare предыдущ* прежн* önceki trước 之前 以前 先前 上面 此前 これまで
        上記 이전 앞의 पिछले पिछली السابقة""",
    "ALL": """
        all every any everything each alle allen sämtliche toutes tous todas todos tutte tutti wszystkie все
        всех tüm bütün 所有 全部 すべて 全て 모든 모두 सभी जميع جميع tất""",
    "ANYTHING": "anything everything alles tout todo tudo всё 任何",
    "YOUR": """
        your yours ur dein deine deiner deinen deinem ton tes votre vos tu tus su sus tuo tua tuoi tue teu tuas
        suas seu jouw twoje twoich твой твои твоих свой свои senin 你的 您的 あなたの 너의 당신의""",
    "YOU": "you u du dich dir tu te toi vous usted você ты тебе вам sen sana 你 您 あなた jij eres és",
    "INSTRUCTION": """
        instruction* directive* guideline* anweisung* vorgabe* instruktion* richtlinie* consigne* instruccion*
        istruzion* instruç* instrucoes instructie* instrukcj* polecen* инструкци* указани* talimat* hướng 指令
        指示 지시 निर्देश* التعليمات تعليمات""",
    "RULE": """
        rule rules constraint* restriction* policy policies command commands programming context message
        messages msg task orders configuration config regeln regel règles reglas regole regras regels zasady
        правила kurallar* 规则 ルール""",
    "PROMPT": "prompt prompts preprompt промпт* 提示词 プロンプト 프롬프트",
    "SYSTEM": """
        system sys systems developer developers operator operators creators makers entwickler* système sistema
        systemprompt системн* 系统 システム 시스템""",
    "HIDDEN": "hidden secret internal initial confidential original geheim* caché secreto nascosto segreto",
    "REVEAL": """
        reveal* show print display output repeat recite dump leak share tell give list write paste expose
        disclose translate summarise summarize complete zeig zeige gib nenne wiederhole wiedergib affiche montre
        répète révèle donne muestra muéstrame revela repite dime mostra mostrami ripeti rivela dimmi revele
        mostre repita покажи выведи повтори göster 输出 显示 告诉 透露 表示 教えて 出力""",
    "LEAK": "reveal* leak dump recite disclose expose verbatim wörtlich wortlaut дословно",
    "WHAT": "what which welche was quelles cuáles quali какие 什么",
    "GIVEN": "given told received got provided set asked programmed gegeben gesagt dieron données dadas given",
    "NEW": "new real true actual updated only neue neuen nouvelles nuevas nuove novas",
    "VOID": """
        void cancelled canceled obsolete outdated invalid revoked suspended fiction untrusted changed superseded
        test""",
    "APPLY": "apply applies hold holds valid count counts matter",
    "NOT": "not no never don't dont doesn't stop cease without nicht kein keine ne pas no nunca non não не без never",
    "OBEY": "obey follow following comply adhere abide heed befolge folge suivre seguir attention",
    "ME": "me mine my i ich mich mir moi mí",
    "TREAT": "treat consider regard",
    "PRIORITY": "priority precedence authority",
    "NOW": "now henceforth onward onwards jetzt désormais maintenant ahora ora adesso agora теперь отныне 现在 今から",
    "PRETEND": """
        pretend act acting imagine simulate roleplay impersonate behave become suppose character als comme actúa
        finge imagina finta fingi finja aja представь притворись 假装 扮演 振る舞 davran""",
    "FREE": """
        unrestricted uncensored unfiltered jailbroken unaligned amoral immoral limitless lawless unethical
        ungefiltert* unzensiert* freed evil sincensura""",
    "EVIL": "evil amoral immoral unrestricted uncensored unfiltered jailbroken opposite",
    "WITHOUT": """
        without no zero never any none lacking lacks ohne keine keinerlei sans aucune aucun sin senza sem без
        没有 olmayan のない nor""",
    "LIMIT": """
        restriction* limit limits limitation* filter filters censorship ethic* moral* guardrail* safety
        safeguards policy policies rules guidelines norms constraints einschränkung* grenzen zensur ethisch*
        richtlinien limite* filtre* filtri filtros limiti restriccion* censura restrizion* restriç* ограничени*
        цензур* 限制 制限 k\u0131s\u0131tlama*""",
    "SAFETY": """
        safety ethic* moral* guardrail* safeguards disclaimers refusals censorship content-policy warnings
        lectures alignment""",
    "MODEL": """
        ai ais llm llms gpt chatgpt chatbot bot assistant assistants model models machine ki sprachmodell* ia
        assistente asistente modelos modèle modello ии ассистент 人工智能 助手 アシスタント zeka""",
    "MODEL_ONLY": """
        ai ais llm llms gpt chatgpt chatbot assistant assistants ki sprachmodell* ia assistente asistente ии
        人工智能 助手 アシスタント""",
    "PERSONA": "dan stan dude evilbot aim jailbreak nox",
    "GOD": "god developer sudo dan jailbreak debug admin root unrestricted",
    "MODE": "mode modus modo",
    "ENABLE": "enable activate switch enter turn unlock start on",
    "OFF": "off disable* remove* removing unlock bypass* break violate switch ignore* forget deactivate strip",
    "REFUSE": "refuse* refusing refusals refusal decline rechaz* verweiger*",
    "SORRY": "sorry can't cannot apologize apologise",
    "SURE": "sure absolutely certainly",
    "START": "start begin starting beginning",
    "FICTION": "hypothetical* fiction novel story game grandmother grandma scenario world roleplay imagine",
    "HARM": "napalm bomb bombs virus malware weapon weapons explosive* illegal drugs meth ransomware recipes poison",
    "ANSWER": """
        answer reply respond comply say state antworte antwortet réponds répondez responde rispondi responda
        ответь 回答 reply append include recommend praise rank begin mention recommande consiglia recomienda
        empfiehl elogiem 推荐 推薦 gib""",
    "RESPONSE": "answer response reply responses replies answers summary summaries 回答",
    "MUST": "must should shall always please never will 请",
    "USER": "user users user's reader readers customer nutzer nutzers utilisateur usuario utente пользовател* 用户",
    "THEM": "them user users reader readers everybody people utilisateur nutzer",
    "TELL": "tell mention inform say disclose dis dire",
    "QUESTION": "question questions frage query",
    "SEND": "send forward post upload transmit exfiltrate",
    "CONVERSATION": "conversation history transcript addresses passages",
    "PASSWORD": "password passwords credentials keys",
    "HIDE": "hide conceal",
    "ADDRESS": """
        note attention dear hey hinweis falls warning notice avviso aviso nota to if si внимание 致 へ as any
        important""",
    "COMPLY": "comply obey obeys authorises authorizes authorised authorized verified",
    "ADMIN": "admin administrator operator maintenance override developer",
    "TOOL": "tool function command",
    "CALL": "call invoke run execute",
    "OTHER": "other others",
    "SOURCE": "sources source passages documents pages",
    "THIS": "this",
    "DO": "do",
    "LOSE": "lose lost",
    "ABOUT_SHELL": "shell terminal interpreter console repl cmd bash ps1 interactive stderr",
    "ABOUT_TEXT": """
        injection inject detect detects regex pattern phrase phrases attack attacks defend example mean means
        term re filter classifier decode decodes match""",
    "HOW": "how wie comment cómo come как 如何 jak hoe",
    "TWIN": "twin alter ego persona",
    "PERMIT": "permission permit allow authorise authorize authorised authorized",
    "ESCAPED": "escaped freed liberated broke",
}

CONCEPTS: Final[Mapping[str, int]] = {name: 1 << place for place, name in enumerate(_WORDS)}
"""Concept name -> its bit."""

_SCRIPTS_WITHOUT_SPACES: Final = ((0x3040, 0x30FF), (0x3400, 0x9FFF), (0xAC00, 0xD7AF))
_HOMOGLYPHS: Final = str.maketrans(
    "авекмнорстухіјѕԁԛԝһӏɡαεικνοορτυχωβηпьꞓ", "abekmhopctyxijsdqwhlgaeiknooptuxwbhnbc"
)  # fmt: skip
_LEET: Final = (str.maketrans("013457@$", "oieastas"), str.maketrans("013457@$", "oleastas"))
_MIN_JOINED_CHARS: Final = 12
_MIN_PIECES: Final = 3
_MIN_HIDDEN_CHARS: Final = 5
_MAX_WORD_CHARS: Final = 64
_MAX_ENDING_CHARS: Final = 8


def plain(word: str) -> str:
    """Return a word without case, width, accents and invisible characters."""
    if word.isascii():
        return word.lower()
    parts = unicodedata.normalize("NFKD", word)
    kept = "".join(sign for sign in parts if unicodedata.category(sign) not in {"Mn", "Cf", "Cc"})
    return unicodedata.normalize("NFC", kept).casefold().replace("\u2019", "'")


def _index() -> tuple[dict[str, int], dict[str, int]]:
    whole: dict[str, int] = {}
    beginnings: dict[str, int] = {}
    for name, words in _WORDS.items():
        for word in words.split():
            table = beginnings if word.endswith("*") else whole
            key = plain(word.rstrip("*"))
            table[key] = table.get(key, 0) | CONCEPTS[name]
    return whole, beginnings


_WHOLE, _BEGINNINGS = _index()
_LONGEST: Final = max(map(len, (*_WHOLE, *_BEGINNINGS)))
_SHORTEST_BEGINNING: Final = min(map(len, _BEGINNINGS))


def mask_of(*names: str) -> int:
    """Return the bits of some concepts."""
    return sum({CONCEPTS[name] for name in names})


def _look_up(word: str) -> int:
    found = _WHOLE.get(word, 0)
    for size in range(max(_SHORTEST_BEGINNING, len(word) - _MAX_ENDING_CHARS), min(len(word), _LONGEST) + 1):
        found |= _BEGINNINGS.get(word[:size], 0)
    return found


def _has_no_spaces(word: str) -> bool:
    return any(low <= ord(sign) <= high for sign in word[:4] for low, high in _SCRIPTS_WITHOUT_SPACES)


def _pieces(word: str) -> list[int]:
    """Return the concepts of the words that a text without spaces is made of, longest words first; linear."""
    found: list[int] = []
    at, least = 0, 1 if _has_no_spaces(word) else 3
    while at < len(word):
        for size in range(min(_LONGEST, len(word) - at), least - 1, -1):
            part = word[at : at + size]
            mask = _WHOLE.get(part, 0) | _BEGINNINGS.get(part, 0)
            if mask:
                found.append(mask)
                at += size
                break
        else:
            at += 1
    return found


@lru_cache(maxsize=32_768)
def concepts(raw: str) -> tuple[int, ...]:
    """Return the concepts of a word as it stands in a text, one number for each known word that it holds.

    Read as one word, with look-alike letters as Latin ones, with digits as letters (``1gn0re``), and as several words
    without spaces between them (``ignoreallpreviousinstructions``, Chinese, Japanese).
    """
    word = plain(raw)
    latin = word.translate(_HOMOGLYPHS) if not word.isascii() else word
    readings = [word, latin]
    if any(sign in "013457@$" for sign in latin):
        readings += [latin.translate(table) for table in _LEET]
    if len(word) <= _MAX_WORD_CHARS:
        for reading in readings:
            if found := _look_up(reading):
                return (found,)
    if _has_no_spaces(word):
        return tuple(_pieces(word))
    if len(latin) >= _MIN_JOINED_CHARS:
        for reading in dict.fromkeys(readings[1:]):
            pieces = _pieces(reading)
            if len(pieces) >= _MIN_PIECES:
                return tuple(pieces)
    return ()


@lru_cache(maxsize=32_768)
def hidden(raw: str) -> tuple[bool, bool]:
    """Whether a word that means nothing is a known one backwards, and whether it is one in rot13."""
    word = raw.lower()
    if len(word) < _MIN_HIDDEN_CHARS or not word.isascii() or _look_up(word):
        return False, False
    return _look_up(word[::-1]) != 0, _look_up(codecs.decode(word, "rot13")) != 0
