"""The treatments of networks, and the effects, which are differences between treatments."""

from typing import NamedTuple


class Effect(NamedTuple):
    """A difference in top-1: the treated network (kind, fine_tuned) minus the control. `only` is
    halves or sources if the effect exists only for these; empty if it exists for both."""

    name: str
    treated: tuple[str, bool]
    control: tuple[str, bool]
    layers_copied: bool = True
    only: str = ""

    @property
    def control_of_zero(self) -> bool:
        """Whether the control has n = 0 instead of the same n."""
        return self.control in (BASE, LONG_BASE, self.treated)


# Other kinds do not copy a source; in a study with several sources, they are controls for each.
COPY_A_SOURCE = ("transfer", "partial", "shuffled", "reestimated")
BASE, LONG_BASE = ("base", False), ("long_base", False)
SELFFER, SELFFER_PLUS = ("selffer", False), ("selffer", True)
TRANSFER, TRANSFER_PLUS = ("transfer", False), ("transfer", True)
PARTIAL, SELFFER_PARTIAL = ("partial", False), ("selffer_partial", False)
SHUFFLED, SHUFFLED_PLUS = ("shuffled", False), ("shuffled", True)
REESTIMATED, RANDOM = ("reestimated", False), ("random", False)
FREEZE_COST = Effect("freeze_cost", PARTIAL, PARTIAL)
EFFECTS = (
    FREEZE_COST,
    Effect("reinit_cost", TRANSFER, PARTIAL),
    Effect("restart", SELFFER_PARTIAL, BASE),
    Effect("coadaptation", SELFFER, BASE),
    Effect("recovery", SELFFER_PLUS, SELFFER),
    Effect("specificity", TRANSFER, SELFFER, only="halves"),
    Effect("source_gap", TRANSFER, SELFFER, only="sources"),
    Effect("transfer", TRANSFER, BASE),
    Effect("boost", TRANSFER_PLUS, BASE),
    Effect("boost_over_selffer", TRANSFER_PLUS, SELFFER_PLUS, only="halves"),
    Effect("gain_over_long", TRANSFER_PLUS, LONG_BASE),
    Effect("reuse", TRANSFER_PLUS, SHUFFLED_PLUS),
    Effect("statistics_shift", REESTIMATED, TRANSFER),
    Effect("self_boost", SELFFER_PLUS, BASE),
    Effect("long_base", LONG_BASE, BASE, layers_copied=False),
    Effect("random", RANDOM, BASE),
    Effect("retraining", SELFFER, BASE, layers_copied=False),
)
