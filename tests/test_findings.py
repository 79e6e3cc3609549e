import re

import numpy as np
import pytest
from made_findings import STUDIES, Page, numbers, page, section_of, tables, verdict

from transferability.analysis.effects import EFFECTS
from transferability.analysis.vocabulary import layers, listed, points
from transferability.reports import findings, judged


def check_measured(text: str, row) -> None:
    """The text has the row's mean and its interval, whose ends keep their sides of zero."""
    shown = [row.mean, *([] if np.isnan(row.low) else [row.low, row.high])]
    expected = [100 * value for value in shown]
    assert numbers(text) == pytest.approx(expected, abs=0.0501)
    for number, value in zip(numbers(text)[1:], shown[1:], strict=True):
        assert np.sign(number) == np.sign(round(value, 9))


@pytest.mark.parametrize("study", STUDIES)
def test_every_effect_has_its_number_and_its_verdict(study):
    effects, _ = tables(study)
    assert len(effects) >= 8
    read = page(study)
    for row in effects.itertuples():
        section = f"{section_of(row)}-{row.effect}"
        if row.n:
            lines = [line for line in read.rows[section] if line[0] == str(row.n)]
            assert len(lines) == 1
            check_measured(lines[0][1], row)
            assert lines[0][2] == verdict(row)
        else:
            said = next(line for line in read.texts[section].split("\n") if " points" in line)
            check_measured(said.split(": ")[-1], row)


def layers_of(text: str) -> list[int]:
    """1–3 and 7: 1, 2, 3, 7."""
    spans = [part.split("–") for part in re.findall(r"\d+(?:–\d+)?", text)]
    return [n for span in spans for n in range(int(span[0]), int(span[-1]) + 1)]


WORDS = {
    "below zero": r"falls? below",
    "above zero": r"rises? above",
    "includes zero": "is not distinguishable from zero",
    "no interval": "has no interval, so nothing is concluded",
}


@pytest.mark.parametrize("study", STUDIES)
def test_every_n_is_in_one_sentence_with_its_verdict(study):
    effects, _ = tables(study)
    read = page(study)
    for key, rows in effects[effects["n"] > 0].groupby(["split_kind", "target_size", "effect"]):
        for section in {f"{section_of(row)}-{key[2]}" for row in rows.itertuples()}:
            own = {
                row.n: verdict(row)
                for row in rows.itertuples()
                if f"{section_of(row)}-{key[2]}" == section
            }
            said = re.findall(r"^At n = ([\d–, and]+), (.*)", read.texts[section], re.MULTILINE)
            told = {}
            for where, words in said:
                (meant,) = [name for name, phrase in WORDS.items() if re.search(phrase, words)]
                for n in layers_of(where):
                    assert n not in told
                    told[n] = meant
            assert told == own


@pytest.mark.parametrize("study", STUDIES)
def test_table_1_has_every_estimator(study):
    _, boosts = tables(study)
    read = page(study)
    for row in boosts.itertuples():
        lines = read.rows[f"{section_of(row)}-table-1-{row.comparison}"][1:]
        of_layers = [line for line in lines if line[0] == row.layers.replace("-", "–")]
        of_estimator = [line for line in of_layers if row.estimator[-4:] in line[1]]
        assert len(of_estimator) == 1
        check_measured(of_estimator[0][2], row)
        assert of_estimator[0][3] == verdict(row)
        assert of_estimator[0][4:6] == [str(row.networks), str(row.controls)]


def test_a_limit_that_is_zero_but_for_rounding_includes_zero():
    effects, boosts = tables("one")
    effects = effects.assign(low=1e-17, high=0.01, mean=0.005)
    read = Page(findings.page(effects, boosts[:0]))
    assert "above zero" not in read.text
    assert "0.5 [0.0, 1.0]" in read.text


def test_a_limit_beside_zero_keeps_its_side():
    effects, boosts = tables("one")
    effects = effects.assign(low=-0.0031, high=-0.0004, mean=-0.0003)
    assert "−0.03 [−0.3, −0.04]" in Page(findings.page(effects, boosts[:0])).text


def test_the_summary_has_table_1_where_no_networks_pair():
    _, boosts = tables("published")
    said = re.search(r"The boost over its control .*: without pairs; (.*)", page("published").text)
    expected = boosts[(boosts["comparison"] == "selffer") & (boosts["layers"] == "1-7")]
    assert numbers(said[1])[0] == pytest.approx(100 * expected["mean"].iloc[0], abs=0.0501)
    assert "without pairs" not in page("four splits").text


def test_estimators_that_agree_are_told_together():
    text = page("four splits").text
    assert "Paired and pooled alike:" in text
    assert "alike" not in page("published").text
    assert "the estimators do not agree" not in text


def test_estimators_that_differ_are_told_apart():
    effects, boosts = tables("four splits")
    pooled = boosts["estimator"] == "pooled"
    shifted = boosts.assign(**{end: boosts[end] - 0.03 * pooled for end in ("mean", "low", "high")})
    text = Page(findings.page(effects, shifted)).texts["random-all-table-1-base"]
    assert "Pooled and paired differ by up to 3.0 points" in text
    verdicts = {
        name: [verdict(row) for row in rows.itertuples()]
        for name, rows in shifted[shifted["comparison"] == "base"].groupby("estimator")
    }
    assert verdicts["paired"] != verdicts["pooled"]
    assert "the estimators do not agree on whether the interval includes zero: paired, it" in text


@pytest.mark.parametrize("study", STUDIES)
def test_the_page_stands_alone(study):
    html = findings.page(*tables(study))
    read = page(study)
    assert html.startswith("<!DOCTYPE html>")
    assert "http" not in html
    assert "url(" not in html
    assert "@import" not in html
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in read.tags}
    assert not {"src", "onclick"} & {name for _, attributes in read.tags for name in attributes}
    assert len(read.ids) == len(set(read.ids))
    assert {link.removeprefix("#") for link in read.links} <= set(read.ids)
    assert "nan" not in read.text
    assert not re.search(r" ,| \.|\(\)|\bNone\b(?! of)|  |−0\.0\b(?!\d)", read.text)
    assert html == findings.page(*tables(study))


def test_what_comes_from_the_study_is_escaped():
    effects, boosts = tables("six seeds")
    name = '<script>alert("a & b")</script>'
    html = findings.page(effects.assign(study=name), boosts.assign(study=name))
    assert "<script" not in html
    assert name in Page(html).text


def test_a_study_without_effects_says_so():
    effects, boosts = tables("six seeds")
    read = Page(findings.page(effects[:0], boosts[:0]))
    assert "No two networks of this study can be compared" in read.text


def test_tables_of_several_studies_are_refused():
    effects, boosts = tables("six seeds")
    with pytest.raises(ValueError, match="several studies: made, other"):
        findings.page(effects, boosts.assign(study="other"))


def test_every_effect_has_a_verdict_in_the_paper():
    assert list(judged.EXPECTED) == [effect.name for effect in EFFECTS]


def test_numbers_and_lists_are_written_as_english():
    assert [points(value) for value in (-0.0184, 0.0, -0.0004, 0.12)] == [
        "−1.8",
        "0.0",
        "0.0",
        "12.0",
    ]
    assert [layers(n) for n in ([4], [4, 5], [3, 1, 2], [1, 2, 3, 6, 7])] == [
        "4",
        "4 and 5",
        "1–3",
        "1–3, 6 and 7",
    ]
    assert [listed("abc"[:count]) for count in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
