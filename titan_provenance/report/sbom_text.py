"""Bills of materials, their differences and their quality, as people read them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from titan_provenance.report.text import columns, markdown_cell, printable
from titan_provenance.sbom.licenses import conjuncts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from titan_provenance.sbom.bill import Bill, Component
    from titan_provenance.sbom.diff import PackageChange, What
    from titan_provenance.sbom.quality import Missing, Report

_SHOWN = 5
_LICENSES = 12
_WIDTH = 60


def bill_text(bill: Bill) -> str:
    """Return a bill as tables: totals by ecosystem, licences at a glance, then every package."""
    title = f"{bill.name}{':' + bill.version if bill.version else ''}"
    platform = f" ({bill.platform})" if bill.platform else ""
    system = f", {bill.distro.id} {bill.distro.version}" if bill.distro else ""
    parts = [f"{printable(title)}{platform}{system}, {bill.digest or 'no digest'}\n"]
    parts += [_totals(bill.components), _licenses(bill.components), _incomplete(bill)]
    rows = [("PACKAGE", "VERSION", "TYPE", "FROM", "LICENCE")]
    rows += [
        (
            _name(component),
            component.package.version or "-",
            component.package.type,
            component.origin or "-",
            _shortened(component.license) or "-",
        )
        for component in bill.components
    ]
    parts.append(columns(rows))
    return "\n".join(part for part in parts if part)


def diff_markdown(before: Bill, after: Bill, changes: Sequence[PackageChange]) -> str:
    """Return the difference of two bills as Markdown, ready for a pull request."""
    counts = Counter(change.what for change in changes)
    order: tuple[What, ...] = ("upgraded", "downgraded", "changed", "added", "removed")
    summary = ", ".join(f"{counts[what]} {what}" for what in order if counts[what])
    lines = [f"### {_title(before)} → {_title(after)}", ""]
    if not changes:
        return "\n".join([*lines, "No package differs."]) + "\n"
    lines += [f"{summary}.", "", "| package | type | before | after | | layer |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for change in sorted(changes, key=lambda item: order.index(item.what)):
        layer = f"{change.layer.number}: {change.layer.created_by[:60]}" if change.layer else ""
        cells = (change.name, change.type, change.before, change.after, change.what, layer)
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join(lines) + "\n"


def quality_text(reports: Iterable[Report]) -> str:
    """Return the score of each profile and the missing fields by name."""
    lines = []
    for report in reports:
        verdict = "passed" if report.passed else "incomplete"
        lines.append(f"{report.profile:<16} {report.score:>5.1f}  {verdict}")
        lines += [f"  missing: {_missing(item)}" for item in report.missing]
    return "\n".join(lines) + "\n"


def _missing(item: Missing) -> str:
    if not item.of:
        return item.field
    shown = ", ".join(printable(ref) for ref in item.components[:_SHOWN])
    more = ", …" if len(item.components) > _SHOWN else ""
    return f"{item.field} in {len(item.components)} of {item.of} components: {shown}{more}"


def _totals(components: Iterable[Component]) -> str:
    counts: dict[str, Counter[str]] = {}
    for component in components:
        counts.setdefault(component.package.type, Counter())[component.origin or "unknown"] += 1
    rows = [("ECOSYSTEM", "PACKAGES", "FROM BASE", "FROM SERVICE")]
    total: Counter[str] = Counter()
    for kind in sorted(counts):
        count = counts[kind]
        total += count
        rows.append((kind, str(count.total()), str(count["base"]), str(count["service"])))
    rows.append(("total", str(total.total()), str(total["base"]), str(total["service"])))
    return columns(rows)


def _licenses(components: Iterable[Component]) -> str:
    counts = Counter(
        part
        for component in components
        for part in conjuncts(component.license) or ("not declared",)
    )
    if not counts:
        return ""
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{printable(name)} {count}" for name, count in common[:_LICENSES]]
    more = f", {len(common) - _LICENSES} more" if len(common) > _LICENSES else ""
    return f"licences: {', '.join(shown)}{more}\n"


def _incomplete(bill: Bill) -> str:
    lines = []
    for coverage in bill.coverage:
        if coverage.status != "succeeded":
            reasons = "; ".join(printable(reason) for reason in coverage.reasons[:_SHOWN])
            more = f"; … {len(coverage.reasons)} in all" if len(coverage.reasons) > _SHOWN else ""
            lines.append(f"{coverage.status}: {coverage.cataloger}: {reasons}{more}\n")
    return "".join(lines)


def _shortened(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def _name(component: Component) -> str:
    package = component.package
    if package.namespace and package.type not in {"deb", "apk", "rpm"}:
        return f"{package.namespace}/{package.name}"
    return package.name


def _title(bill: Bill) -> str:
    return _cell(f"{bill.name}:{bill.version}" if bill.version else bill.name)


def _cell(text: str) -> str:
    return markdown_cell(printable(text))
