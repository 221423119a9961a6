# ruff: noqa: RUF001 - text of other languages
"""Languages: words and sentences of scripts without spaces, refusals, and where the judge says that it is weaker."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_evals.judges.lexical.languages import language_of
from sightline_evals.judges.lexical.sentences import sentences
from sightline_evals.judges.lexical.weakness import weakness
from sightline_evals.judges.lexical.words import words
from sightline_evals.judges.offline import OfflineJudge, groundedness
from sightline_evals.judges.statements import is_refusal, statements

PASSAGES = {
    "German": "Die Rückgabe ist innerhalb von 14 Tagen möglich. Der Kunde trägt die Kosten der Rücksendung.",
    "French": "Le retour est possible dans les 14 jours. Le client paie les frais de renvoi.",
    "Spanish": "La devolución es posible en un plazo de 14 días. El cliente paga los gastos de envío.",
    "Italian": "Il reso è possibile entro 14 giorni. Il cliente paga le spese di spedizione.",
    "Portuguese": "A devolução é possível em até 14 dias. O cliente paga as despesas de envio.",
    "Dutch": "Retourneren is mogelijk binnen 14 dagen. De klant betaalt de kosten van het terugsturen.",
    "Polish": "Zwrot jest możliwy w ciągu 14 dni. Klient płaci za przesyłkę, jeśli nie jest ona wadliwa.",
    "Chinese": "商品可以在14天内退货。退货的运费由顾客承担。",
    "Japanese": "商品は14日以内に返品できます。返品の送料はお客様の負担となります。",
    "Korean": "상품은 14일 이내에 반품할 수 있습니다. 반품 배송비는 고객이 부담합니다.",
    "Thai": "สามารถคืนสินค้าได้ภายใน 14 วัน ลูกค้าเป็นผู้จ่ายค่าส่งคืน",
}


@pytest.mark.parametrize("name", PASSAGES)
def test_languages_are_told_apart_and_named_with_the_score(name: str) -> None:
    """The judge is weaker outside of English, and says so."""
    text = PASSAGES[name]
    found = language_of(text)
    assert found is not None
    assert found.name == name
    assert weakness(text, text) == f"weaker: {name}"
    judge = OfflineJudge()
    assert f"weaker: {name}" in judge.evidence(judge.statements(text)[0], text).reason()


@pytest.mark.parametrize("name", PASSAGES)
def test_a_copy_is_grounded_and_another_language_s_text_is_not(name: str) -> None:
    """In each language the passage's own sentences are supported, those of another passage are not."""
    judge = OfflineJudge()
    text = PASSAGES[name]
    other = PASSAGES["Thai" if name != "Thai" else "Chinese"]
    assert groundedness([judge.evidence(each, text).p_unsupported for each in judge.statements(text)]) > 0.8
    assert groundedness([judge.evidence(each, text).p_unsupported for each in judge.statements(other)]) < 0.4


def test_english_prose_has_no_weakness_and_code_and_tables_have() -> None:
    """What the weights were fitted on is not marked."""
    passage = "The function returns the sum of the numbers and raises an error if one is missing."
    assert weakness("It returns the sum of the numbers.", passage) == ""
    assert weakness("```python\nimport os\nprint(os.getcwd())\n```", passage) == "weaker: code"
    assert weakness("| name | sum |\n|---|---|\n| a | 1 |", passage) == "weaker: table"
    assert weakness(PASSAGES["German"], passage) == "weaker: German answer, English passages"
    assert weakness("12 345", "") == ""


def test_sentences_end_at_full_stops_of_other_scripts() -> None:
    """Chinese, Japanese, Hindi and Arabic stops need no space; Thai has a space where a sentence ends."""
    assert sentences("保修一年。电池不保修！") == ["保修一年。", "电池不保修！"]
    assert len(sentences("यह एक वाक्य है। यह दूसरा है।")) == 2
    assert len(sentences("ما هذا؟ هذا كتاب۔ نعم")) == 3
    assert len(sentences("คืนสินค้าได้ ลูกค้าจ่ายค่าส่ง")) == 2


def test_a_joined_chinese_answer_is_two_statements() -> None:
    """Two sentences of the passage, joined by a comma, are both found."""
    judge = OfflineJudge()
    context = PASSAGES["Chinese"]
    found = judge.statements("商品可以在14天内退货，退货的运费由顾客承担。")
    assert len(found) == 2
    assert all(judge.supported(judge.evidence(each, context)) for each in found)


def test_words_of_scripts_without_spaces_are_pairs_of_characters() -> None:
    """Latin words and digits among them stay whole, full-width digits are digits."""
    assert [word.text for word in words("使用Python３编程", language_of("使用编程"))] == ["使用", "python3", "编程"]


def test_combining_marks_stay_with_their_letters() -> None:
    """Hindi and decomposed Latin words are not cut at their marks."""
    assert [word.text for word in words("हिन्दी भाषा")] == ["हिन्दी", "भाषा"]
    assert [word.text for word in words("cafe\u0301")] == ["caf\u00e9"]


REFUSALS = [
    "Ich weiß es leider nicht.",
    "Das kann ich anhand der Dokumente nicht beantworten.",
    "Dazu liegen keine Informationen vor.",
    "Die Dokumente enthalten keine Informationen dazu.",
    "Je ne sais pas.",
    "Je n'ai pas trouvé d'information à ce sujet.",
    "Les documents ne contiennent pas cette information.",
    "No lo sé.",
    "No tengo información sobre eso.",
    "Los documentos no mencionan ese tema.",
    "Non lo so.",
    "Non ho trovato informazioni su questo.",
    "I documenti non contengono questa informazione.",
    "Não sei.",
    "Não encontrei informações sobre isso.",
    "Ik weet het niet.",
    "De documenten bevatten geen informatie hierover.",
    "Nie wiem.",
    "Nie mam informacji na ten temat.",
    "我不知道。",
    "抱歉，文档中没有提到这个问题。",
    "わかりません。",
    "文書には記載されていません。",
]
CLAIMS = [
    "Die Garantie deckt Batterien nicht ab.",
    "Ich weiß, dass es 5 Tage dauert.",
    "La garantie ne couvre pas les batteries.",
    "No hay garantía para las baterías.",
    "La garanzia non copre le batterie.",
    "Não há taxas.",
    "De garantie dekt batterijen niet.",
    "Gwarancja nie obejmuje baterii.",
    "保修不包括电池。",
    "保証は電池を対象としません。",
    "No hay datos personales en el registro.",
    "找不到文件时会抛出异常。",
    "ファイルが見つかりません、というエラーになります。",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_refusals_in_other_languages_are_no_statements(text: str) -> None:
    """They say nothing about the world, as in English."""
    assert is_refusal(text)
    assert statements(text) == []


@pytest.mark.parametrize("text", CLAIMS)
def test_denials_in_other_languages_are_claims(text: str) -> None:
    """A claim that denies something is checked."""
    assert not is_refusal(text)
    assert statements(text)


@given(st.text(max_size=300))
def test_any_text_has_a_language_or_none(text: str) -> None:
    """No text breaks it, and it is always the same."""
    assert language_of(text) == language_of(text)
    weakness(text, text)


@pytest.mark.parametrize("text", [" " * 200_000, "\n" * 200_000, "| " * 50_000, "a\t" * 20_000, "? a" * 20_000])
def test_hostile_texts_take_linear_time(text: str) -> None:
    """White space, bars and marks without end are read once; a quadratic pattern would take hours here."""
    weakness(text, "")
    statements(text)
