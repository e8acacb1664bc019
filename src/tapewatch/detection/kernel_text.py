"""The text of a fused kernel: what differs between rule sets is only which steps and which features are called."""

import textwrap
from collections.abc import Sequence, Set

from tapewatch.detection.detectors.base import Detector
from tapewatch.detection.kernel_parts import (
    ACROSS,
    ACROSS_STEP,
    AHEAD_OF_TIME,
    ANSWER,
    APART,
    CALM,
    CHUNK_DEADLINE,
    CHUNK_DUE,
    CLOSE,
    DISORDER,
    DISORDERED,
    DISORDERED_STEP,
    EACH_NAME,
    EDGE,
    ENTER,
    GATHER,
    HEADER,
    HOLE,
    LEARN,
    PEEK,
    PEEK_CHUNK,
    PEEK_RULE,
    PENDING,
    RULE,
    RUN,
    SCREEN,
    TIMERS,
    VISIT,
)


def _rules(detectors: Sequence[Detector], chunked: bool) -> str:
    return "".join(
        (CALM if d.fates else RULE).format(
            i=i,
            bit=2 * i,
            test="!=" if d.verdicts else "==",
            follow="" if d.verdicts else "verdict == 0 and ",
            sees=f" and {sees}" if sees else "",
            sees_follow=f"{sees} and " if sees else "",
            first="    first = m\n" if _foretells(d) else "",
            answer=ANSWER.format(i=i) if _foretells(d) else "",
        )
        for i, d in enumerate(detectors)
        if not d.across
        for sees in [_sees(d, chunked)]
    )


def _foretells(detector: Detector) -> bool:
    return "provisional" in (detector.state.names or ())


def _sees(detector: Detector, chunked: bool) -> str:
    """What a detector's step is called for, as a condition: chunks of trades in place of trades, or never chunks."""
    if not chunked:
        return ""
    return "not is_trade" if detector.chunks else "not is_chunk"


def _peeks(detectors: Sequence[Detector]) -> str:
    return "".join(PEEK_RULE.format(i=i, bit=2 * i) for i, d in enumerate(detectors) if _foretells(d))


def _timers(detectors: Sequence[Detector], chunked: bool) -> str:
    timed = [i for i, d in enumerate(detectors) if d.due is not None]
    deadlines = "".join(
        f"    best = min(best, row.r{i}.deadline_ns) if row.r{i}.deadline_ns > 0 else best\n" for i in timed
    )
    ends = "".join(
        f"            m = end_session(out, m, params.c{i}, head, cold, tick, where)\n" for i in range(len(detectors))
    )
    dues = ""
    for i in timed:
        dues += (
            f"            if row.r{i}.deadline_ns == best:\n"
            f"                level = due_{i}(row.r{i}, params.p{i}, head, best, out.at[m])\n"
            f"                common = params.c{i}\n"
            f"                if best < common.from_ns or best >= common.until_ns:\n"
            f"                    level, row.r{i}.deadline_ns = NONE, NEVER_NS\n"
            f"                if level != NONE and (mask >> {i}) & 1:\n"
            f"                    m = settle(out, m, level, params.c{i}, head, cold, tick, where)\n"
        )
    return TIMERS.format(
        deadlines=deadlines,
        ends=ends,
        dues=dues,
        chunk_deadline=CHUNK_DEADLINE if chunked else "",
        chunk_due=CHUNK_DUE if chunked else "",
    )


def _visit(detectors: Sequence[Detector], on: Set[str], chunked: bool, peeks: bool = False) -> str:
    """The text of `visit`; with `peeks` that of `peek`, which asks the rules that foretell and changes nothing else."""
    volume = bool(on & {"volume", "quarantine"})
    scale_1 = "elif interval_ns > 0:\n                ret = scaled_return(head, c, interval_ns, act_ns)\n"
    scale_1 += "                sigma, source = sigma_now(head, group, interval_ns, season, step)"
    volume_1 = "known = 1 if volume_known(head) else 0\n"
    volume_1 += "    normal = normal_volume(head, group, season)"
    scale_2 = (
        "if fresh == 0 and interval_ns > 0:\n    take_scale(head, group, ret, season, step)\n" if "scale" in on else ""
    )
    volume_2 = "take_volume(head, group, season, v)\n" if volume else "head.phase_n[head.phase] += 1\n"
    bars = scale_2 + volume_2 + "take_recent(head, c, act_ns)\n"
    ticks = "take_step(head, c)\nhead.closes[head.pos & (head.closes.shape[0] - 1)] = c\nhead.pos += 1\n"
    learn = bars + ticks
    if chunked:
        learn = f"if not is_trade:\n{_indent(bars, 4)}if not is_chunk:\n{_indent(ticks, 4)}"
    kinds = "is_trade = interval_ns == 0\n    is_chunk = interval_ns > 0 and act_ns == event_ns"
    return VISIT.format(
        name="peek" if peeks else "visit",
        decorator="compiled_apart" if peeks else "compiled",
        last="seen_ns" if peeks else "side",
        hole="ret = math.nan" if peeks else HOLE,
        season="season_bin(head, act_ns - (interval_ns >> 1))" if volume or "scale" in on else "0",
        scale_1=scale_1 if "scale" in on else "",
        volume_1=volume_1 if volume else "",
        learn="" if peeks else LEARN.format(learn=_indent(learn, 8).strip()),
        kinds=kinds if chunked else "",
        counts=" and not is_trade" if chunked else "",
        rules=_peeks(detectors) if peeks else _rules(detectors, chunked),
    )


def _indent(text: str, by: int) -> str:
    return textwrap.indent(text, " " * by)


def _steps(detectors: Sequence[Detector]) -> str:
    text = HEADER.format(names=", ".join(d.name for d in detectors))
    for i, d in enumerate(detectors):
        text += f"from {d.step.__module__} import {d.step.__name__} as step_{i}\n"
        if d.due is not None:
            text += f"from {d.due.__module__} import {d.due.__name__} as due_{i}\n"
    return text


def kernel_text(detectors: Sequence[Detector]) -> str:
    """Source of the module for these detectors in this order."""
    on = set().union(*(d.features for d in detectors))
    quarantine = [i for i, d in enumerate(detectors) if "quarantine" in d.features]
    fated = [i for i, d in enumerate(detectors) if d.fates]
    across = [i for i, d in enumerate(detectors) if d.across]
    chunked = any(d.chunks for d in detectors)
    foretells = any(_foretells(d) for d in detectors)
    parts = [_steps(detectors), _visit(detectors, on, chunked), APART]
    if chunked:
        parts.append(CLOSE)
    if foretells:
        parts += [_visit(detectors, on, chunked, peeks=True), PEEK_CHUNK]
    gather = GATHER.format(edge=EDGE if foretells else "", peek=PEEK if foretells else "")
    parts += [ENTER.format(gather=gather if chunked else ""), _timers(detectors, chunked)]
    if quarantine:
        parts.append(SCREEN.format(q=quarantine[0], pending=PENDING if foretells else ""))
    if fated:
        parts.append(DISORDERED.format(steps="".join(DISORDERED_STEP.format(i=i) for i in fated)))
    if across:
        parts.append(ACROSS.format(steps="".join(ACROSS_STEP.format(i=i) for i in across)))
    parts.append(
        RUN.format(
            across=EACH_NAME if across else "",
            margin=20 * len(detectors) + 32,
            future=AHEAD_OF_TIME if quarantine else "",
            disorder=DISORDER.format(watched=sum(1 << i for i in fated)) if fated else "",
            entry="screen" if quarantine else "enter",
            verdict="" if quarantine else ", impossible(op[at], hi[at], lo[at], cl[at])",
        )
    )
    return "".join(parts)
