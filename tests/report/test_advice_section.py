import re
import shlex
from dataclasses import replace

from decamo.diagnosis import Advice, advise, diagnose_log
from decamo.history import LogSegment, Point, TrainingLog
from decamo.report.advice_section import advice_section
from decamo.settings import TrainSettings
from decamo.settings.plain import to_plain
from tests.report.reader import Reader, outside


def stuck() -> TrainingLog:
    """A plateau at the action plan's level, under a constant rate."""
    points = tuple(
        Point(n, loss=0.3, iou=0.62 + 0.0005 * (n % 2), lr=5e-5, rates={"head": 5e-5}, seconds=60.0)
        for n in range(1, 87)
    )
    stretch = LogSegment(1, "start", "a new run", to_plain(TrainSettings()), planned_end=120)
    return TrainingLog(points, (stretch,), checkpoint="runs/best <model>.pth")


def advice() -> Advice:
    past = stuck()
    return advise(past, diagnose_log(past))


def test_the_command_can_be_copied_as_it_is() -> None:
    made = advice()
    page = advice_section(made)
    assert made.first.command
    block = page[page.index("<pre>") + 5 : page.index("</pre>")]
    shown = Reader(f"<p>{block}</p>").text.strip()
    assert tuple(shlex.split(shown.replace("\\\n", " "))) == made.first.words


def test_flags_causes_options_and_checks_are_told() -> None:
    made = advice()
    text = Reader(advice_section(made)).text
    assert made.first.title in text
    for change in made.first.changes:
        assert change.flag in text
        assert change.why in text
    share = made.counsels[0].suspicion.probability
    assert f"{share:.0%}" in text
    for remedy in made.ladder:
        assert remedy.title.lower() in text.lower()
    for check in made.checks:
        assert check[1:] in text
    assert made.rate[1:] in text


def test_causes_come_by_probability_and_sum_to_all() -> None:
    shares = re.findall(r'class="share">(\d+)%', advice_section(advice()))
    listed = [int(share) for share in shares]
    assert 95 <= sum(listed) <= 105
    assert listed[:-1] == sorted(listed[:-1], reverse=True)


def test_nothing_in_it_can_be_markup() -> None:
    made = advice()
    first = replace(
        made.first, title="<b>x", command="a <script>\nb", steps=("<i>",), blanks=("<u>",)
    )
    counsels = (replace(made.counsels[0], remedy=first), *made.counsels[1:])
    page = advice_section(replace(made, counsels=counsels, rate="<a href=x>", checks=("<img>",)))
    read = Reader(page)
    assert outside(page) == []
    assert read.all("b") == read.all("u") == read.all("img") == []


def test_advice_without_a_ladder_or_checks_is_told() -> None:
    read = Reader(advice_section(replace(advice(), ladder=(), checks=())))
    assert "If that does not help" not in read.text
    assert "When to look again" not in read.text
