"""The page as text: what it holds, how large it gets, and that nobody's label becomes markup."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.report.model import Citation, Report
from bench.report.page import gallery
from bench.report.page.embedding import embed_figure, embed_image
from bench.report.page.figure_view import figure_view
from bench.report.page.page import render_page
from bench.report.statistics import Estimate
from bench.report.table import Cell, Column, Row, Table
from bench.report.tables import report_tables
from bench.report.write import write_report


def tables_of(report: Report) -> list[Table]:
    return [table for tables in report_tables(report).values() for table in tables]


def render(report: Report) -> str:
    return render_page(report, tables_of(report), {})


def data_of(page: str) -> list[dict]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found.group(1))


class Elements(HTMLParser):
    """Tags and attributes as a browser would see them; `texts` outside scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def page(page_report: Report) -> str:
    return render(page_report)


def test_equal_reports_give_equal_pages(page_report: Report, page: str) -> None:
    shuffled = replace(page_report, rows=page_report.rows.sample(frac=1, random_state=1))
    assert render(shuffled) == page


def test_nothing_is_fetched_and_only_the_page_s_own_script_runs(page: str) -> None:
    elements = Elements(page)
    sources = [value or "" for name, value in elements.attributes if name in ("src", "srcset", "data")]
    assert all(source.startswith("data:image/") for source in sources)
    assert "@import" not in page
    assert "url(" not in page
    policy = next(value for name, value in elements.attributes if name == "content" and "default-src" in str(value))
    for kind, opening in (("script", '<script type="module">'), ("style", "<style>")):
        text = page.split(opening)[1].split(f"</{kind}>")[0]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in str(policy)
    assert "unsafe" not in str(policy)


def test_labels_ids_reasons_and_suites_stay_text(nasty_page_report: Report, page: str) -> None:
    nasty = nasty_page_report.name
    found = render_page(nasty_page_report, tables_of(nasty_page_report), {nasty: PNG_FILE})
    elements = Elements(found)
    assert elements.tags.count("script") == Elements(page).tags.count("script") == 2
    assert "onerror" not in [name for name, _ in elements.attributes]
    assert [value for name, value in elements.attributes if name == "href" and "script:" in str(value)[:20]] == []
    assert "\u2028" not in found.split('id="data">')[1].split("</script>")[0]
    assert "<!--" not in found
    assert "49" not in {text.strip() for text in elements.texts}
    data = data_of(found)[0]
    assert data["name"] == nasty
    assert data["images"][0]["id"].endswith(nasty)
    assert nasty in data["images"][0]["pictures"][1]["missing"]
    assert any(text.strip() == f"Broken{nasty}: {nasty}" for text in elements.texts)


def test_header_and_warnings(page: str) -> None:
    text = " ".join(" ".join(Elements(page).texts).split())
    assert "profile quick" in text
    assert "test: 30 test images, seeds 1, 2" in text
    assert "photos: 5 test images, seeds 1, 2" in text
    # The failed job is named by its row, once.
    assert "4 warnings few images Broken: diverged at step 7 test: Prior" in text
    assert "test: Prior: no picture of i03: images/00003.png: no such file" in text
    assert "packages.torch 2.9" in text
    assert "A prior, CVPR 2020" in re.sub(r"\s+,", ",", text)


def test_cells_say_what_they_rest_on(page: str) -> None:
    tips = [value for name, value in Elements(page).attributes if name == "data-tip"]
    assert "Plain, PSNR\n30 images\nseeds 1, 2\njobs Plain-1, Plain-2" in tips
    assert "Plain, FID\nseeds 1, 2\njobs Plain-1, Plain-2" in tips
    assert "Broken, PSNR\nn/a: diverged at step 7" in tips
    assert "Plain, DISTS\nn/a: no weights" in tips
    assert "PSNR: psnr/rgb/v1" in tips


def test_differences_say_to_what_and_how_sure(page: str) -> None:
    tips = [str(value) for name, value in Elements(page).attributes if name == "data-tip"]
    found = next(tip for tip in tips if tip.startswith("Joined, PSNR\n30 images\ndifference to Plain"))
    assert re.fullmatch(r"p = [\d.e-]+, corrected [\d.e-]+", found.splitlines()[3])
    assert re.search(r'<td data-value="-3\.[^>]*>-3\.\d\d\*', page)


def test_every_base_begins_a_group(page_report: Report) -> None:
    rows = [Row(label, "hybrid", (Cell(Estimate(1.0)),), base=label in "ac") for label in "abcd"]
    table = Table("t", (Column("psnr", "PSNR", "quality", 2),), tuple(rows), (), ())
    groups = render_page(page_report, [table], {}).split('id="table-1"')[1].split("</table>")[0].split("<tbody>")[1:]
    assert [re.findall(r'data-value="([a-d])"', group) for group in groups] == [["a", "b"], ["c", "d"]]
    assert [group.count("data-base") for group in groups] == [1, 1]
    assert "a (base)" in groups[0]


def test_rows_that_share_a_paper_are_cited_once(page_report: Report) -> None:
    paper, bare = Citation("A paper", "WACV 2024", "2401.00370", licence="MIT"), Citation("Degraded input")
    methods = [replace(m, citation=bare if m.family == "input" else paper) for m in page_report.methods]
    text = " ".join(" ".join(Elements(render(replace(page_report, methods=tuple(methods)))).texts).split())
    assert text.count("A paper") == 1
    assert "Plain, Prior, Joined, Broken A paper" in text
    assert "https://arxiv.org/abs/2401.00370" in text
    assert "Licence MIT" in text
    assert "Degraded input" not in text


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        (
            "comparison_page2",
            "Input, methods and ground truth; crops where the methods disagree about fine detail. Page 2.",
        ),
        ("modules_photos", "From the input to the result: the images inside each method. Test set photos."),
        ("my_own", "My own."),
    ],
)
def test_figures_are_captioned_by_their_names(name: str, caption: str) -> None:
    assert figure_view(name, PNG_FILE).caption == caption


def test_charts_come_before_pictures(page_report: Report) -> None:
    names = ["comparison", "mine", "comparison_page2", "training", "perception_distortion"]
    found = render_page(page_report, [], dict.fromkeys(names, PNG_FILE))
    captions = re.findall("<figcaption>(.*?)</figcaption>", found)
    assert [caption.split()[0] for caption in captions] == ["The", "Input,", "Input,", "Training", "Mine."]
    assert captions[2].endswith("Page 2.")


def test_a_page_needs_neither_pictures_nor_figures_nor_provenance(page_report: Report) -> None:
    bare = render(replace(page_report, pictures=None, provenance=None, ood=(), methods=page_report.methods[:4]))
    elements = Elements(bare)
    assert data_of(bare) == []
    assert {"images", "figures", "provenance", "browser"}.isdisjoint(value for name, value in elements.attributes)
    assert ("class", "warnings") not in elements.attributes


def test_images_are_the_figure_s_then_extremes_then_the_first(page_report: Report, page: str) -> None:
    main, other = data_of(page)
    shown = [image["id"] for image in main["images"]]
    assert len(shown) == gallery.PAGE_IMAGES
    assert shown == sorted(shown)
    assert "24 of 30 images" in main["note"]
    assert other["note"] == "All 5 images of this test set."
    assert "i03" in shown
    psnr = page_report.rows[(page_report.rows.metric == "psnr") & (page_report.rows.seed == 1)]
    for method, rows in psnr.groupby("method"):
        values = rows.set_index("image").value
        found = next(e for e in main["extremes"] if (e["metric"], e["method"]) == ("psnr", method))
        assert found["worst"] == {"id": values.idxmin(), "text": f"{values.min():.2f}"}
        assert found["best"] == {"id": values.idxmax(), "text": f"{values.max():.2f}"}
        assert {values.idxmin(), values.idxmax()} <= set(shown)


def test_best_by_a_distance_is_the_smallest(page_report: Report, page: str) -> None:
    rows = page_report.rows
    values = rows[(rows.metric == "lpips") & (rows.seed == 1) & (rows.method == "Plain")].set_index("image").value
    found = next(e for e in data_of(page)[0]["extremes"] if (e["metric"], e["method"]) == ("lpips", "Plain"))
    assert (found["worst"]["id"], found["best"]["id"]) == (values.idxmax(), values.idxmin())


@pytest.mark.parametrize(("seed", "shift"), [(None, 0), (1, 0), (2, 1)])
def test_scores_are_those_of_the_seed_that_made_the_pictures(page_report: Report, seed: int | None, shift: int) -> None:
    assert page_report.pictures is not None
    seeded = replace(page_report, pictures=replace(page_report.pictures, seed=seed), ood=())
    scores = data_of(render(seeded))[0]["images"][0]["scores"]["psnr"]
    assert scores["Plain"] == {
        "text": f"{31.5 + 0.7 - 1.45 + shift:.2f}",
        "mark": "best",
        "quality": pytest.approx(30.75 + shift),
    }
    assert scores["Joined"]["mark"] == "second"
    assert scores["blurred"]["mark"] is None


def test_infinite_scores_reach_the_script(page_report: Report) -> None:
    rows = page_report.rows.copy()
    rows.loc[(rows.image == "i00") & (rows.metric == "psnr") & (rows.method == "Plain"), "value"] = np.inf
    report = replace(page_report, rows=rows, ood=())
    score = data_of(render(report))[0]["images"][0]["scores"]["psnr"]["Plain"]
    assert score == {"text": "∞", "mark": "best", "quality": "Infinity"}


def test_a_missing_picture_is_named_and_costs_nothing_else(page: str) -> None:
    main = data_of(page)[0]
    image = next(image for image in main["images"] if image["id"] == "i03")
    labels = [view["label"] for view in main["views"]]
    assert labels == ["Input", "Plain", "Prior", "Joined", "Joined: x_reg", "Joined: x_syn", "Ground truth"]
    assert [picture.get("missing") for picture in image["pictures"]].count(None) == 6
    assert image["pictures"][labels.index("Prior")] == {"missing": "images/00003.png: no such file"}


def test_large_pictures_are_fewer(page_report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "PAGE_BYTES", 60_000)
    main, other = data_of(render(page_report))
    sizes = [sum(len(picture.get("uri", "")) for picture in image["pictures"]) for image in main["images"]]
    assert sum(sizes) < 30_000 < sum(sizes) + max(sizes)
    assert f"{len(sizes)} of 30 images, as many as fit" in main["note"]
    assert other["images"]
    monkeypatch.setattr(gallery, "PAGE_BYTES", 1)
    assert [len(data["images"]) for data in data_of(render(page_report))] == [1, 1]


@pytest.mark.parametrize("size", [(5, 7), (64, 64)])
def test_pictures_are_embedded_without_loss(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    uri = embed_image(image)
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as back:
        assert uri.startswith(f"data:image/{str(back.format).lower()};base64,")
        assert np.array_equal(np.asarray(back.convert("RGB")), image)


def _png(image: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()


PNG_FILE = _png(np.full((40, 40, 3), 200, np.uint8))


def test_figures_are_png_or_svg(page_report: Report) -> None:
    svg = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'
    assert embed_figure(svg) == f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
    assert len(embed_figure(PNG_FILE)) <= len(base64.b64encode(PNG_FILE)) + 30
    found = render_page(page_report, tables_of(page_report), {"plane_of_mine": PNG_FILE})
    assert "<figcaption>Plane of mine.</figcaption>" in found


def test_a_report_with_a_missing_picture_is_written(page_report: Report, tmp_path: Path) -> None:
    """The comparison shows i03, of which Prior has no picture: that figure is left out, all else is there."""
    names = {path.name for path in write_report(tmp_path, page_report)}
    assert {"report.html", "table.md", "perception_distortion.png"} <= names
    assert "comparison.png" not in names
    assert "no picture of i03" in (tmp_path / "report.html").read_text(encoding="utf-8")
