"""The claims of the reproduction, on made-up results in which they hold and do not hold."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from infoflow.testing import UNet
from tests.examples.nuclei import import_example

reproduction = import_example().reproduction
PAPERS = {claim.name: claim for claim in reproduction.claims.PAPERS}
ours, study, layers = reproduction.ours, reproduction.study, reproduction.read_layers
curves, arrivals = reproduction.curves, reproduction.arrivals
verdicts, readings, clocks = reproduction.verdicts, reproduction.readings, reproduction.clocks

#: In the paper's epochs.
CLOCK = np.array([0, 1, 5, 10, 100, 300, 500, 1000, 2000, 4000, 6000, 8000, 10_000], float)
SETTINGS = (*readings.KDE_SETTINGS, *readings.BINNING_SETTINGS)
#: When each layer of the made-up net comes to its end, which is 3 bits but at the bottom.
WHEN = {0: 0, 1: 0, 14: 2250, 17: 900, 20: 500} | dict.fromkeys((8, 9, 10, 11, 12, 13), 9000)
END = dict.fromkeys((8, 9, 10, 11, 12, 13), 1.4)


def papers_iym() -> np.ndarray:
    """Return (epochs, layers) as the paper tells it: a smooth way up to each layer's end."""
    columns = []
    for layer in range(23):
        rise = np.clip((CLOCK + 1e-9) / max(WHEN.get(layer, 800), 1e-9), 0, 1)
        columns.append(END.get(layer, 3.0) * rise**0.5)
    values = np.stack(columns, axis=1)
    values[1:7, [10, 13, 16, 19]] = 0.5 * values[1:7, [11, 14, 17, 20]]
    return values


def make_seed(
    iym=None,
    *,
    clock=CLOCK,
    dice=(2500, 2600, 8000, math.inf),
    variant="whole",
    seed=0,
    ceiling=3.0,
):
    iym = papers_iym() if iym is None else iym
    iym = iym[: len(clock)]
    shape = (len(SETTINGS), *iym.shape)
    table = xr.Dataset(
        {
            "iym": (("setting", "epoch", "layer"), np.broadcast_to(iym, shape).copy()),
            "ixm": (("setting", "epoch", "layer"), np.broadcast_to(3 * iym, shape).copy()),
            "iym_null_high": (("setting", "epoch", "layer"), np.zeros(shape)),
            "iym_ceiling": (("setting", "epoch"), np.full(shape[:2], ceiling)),
        },
        {"setting": list(SETTINGS), "epoch": clock},
    )
    curves = {model: make_curve(when, clock[-1]) for model, when in enumerate(dice, 1)}
    return study.Seed(variant, seed, 1.0, table, curves)


def make_curve(when: float, end: float):
    clock = np.arange(0, end + 1, 50.0)
    rise = np.clip(clock / when, 0, 1) ** 0.5
    dice = 0.9 * rise if math.isfinite(when) else np.full_like(clock, 0.2)
    return curves.Curve(clock, 1 - dice, dice, dice, 10_000.0)


def verdict(name: str, *seeds) -> str:
    every = PAPERS | {claim.name: claim for claim in ours.OURS}
    return verdicts.judge(every[name], seeds).verdict


#: The paper contradicts itself on layer 14, which this net has at the maximum in the end.
CONTRADICTED = {"deep-low"}


@pytest.mark.parametrize("name", sorted(set(PAPERS) - CONTRADICTED))
def test_holds_where_all_is_as_the_paper_says(name: str):
    assert verdict(name, make_seed()) == "reproduced"


def changed(layers, values) -> np.ndarray:
    iym = papers_iym()
    iym[:, layers] = values
    return iym


@pytest.mark.parametrize(
    ("name", "seed"),
    [
        ("below-log-k", make_seed(ceiling=5.9)),
        ("order-layers", make_seed(changed([14], 3.0))),
        ("order-models", make_seed(dice=(2500, 2600, 2400, math.inf))),
        ("maximum", make_seed(1.5 * papers_iym())),
        ("first-layers", make_seed(changed([1], papers_iym()[:, [20]]))),
        ("deep-low", make_seed()),
        ("deep-slow", make_seed(changed(list(range(8, 15)), 1.0))),
        ("rises-iym", make_seed(changed([19], 2.8))),
        ("rises-ixm", make_seed(changed([10], 2.8))),
        ("reaches-20", make_seed(changed([20], np.where(CLOCK >= 6000, 3.0, 1.0)[:, None]))),
        ("reaches-17", make_seed(changed([17], 1.0))),
        ("reaches-14", make_seed(changed([14], 3.0))),
        ("layer-14-at-1000", make_seed(changed([14], 2.6))),
        ("layer-14-at-1000", make_seed(changed([14], 1.4))),
        ("layer-11", make_seed(changed([11], 3.0))),
        ("layer-11", make_seed(changed([11], 0.1))),
        ("dice-1", make_seed(dice=(9000, 2600, 8000, math.inf))),
        ("dice-2", make_seed(dice=(2500, 9000, 8000, math.inf))),
        ("dice-3", make_seed(dice=(2500, 2600, 2500, math.inf))),
        ("dice-4", make_seed(dice=(2500, 2600, 8000, 9000))),
        ("advice", make_seed(dice=(2500, 2600, math.inf, math.inf))),
        ("advice", make_seed(dice=(2500, 2600, 8000, 9000))),
    ],
)
def test_does_not_hold_where_it_is_otherwise(name: str, seed):
    assert verdict(name, seed) == "not reproduced"


def test_deep_layers_low_holds_where_layer_14_stays_low_too():
    assert verdict("deep-low", make_seed(changed([14], 1.4))) == "reproduced"


@pytest.mark.parametrize(
    ("name", "setting"),
    [("shape-binning", "binning 0.2, K-means"), ("shape-coarsening", "KDE 1, coarsening")],
)
def test_other_shapes(name: str, setting: str):
    seed = make_seed()
    seed.readings["iym"].loc[{"setting": setting}] = 3.0 - papers_iym()
    assert verdict(name, seed) == "not reproduced"


@pytest.mark.parametrize(
    "name", ["deep-slow", "reaches-14", "layer-11", "dice-3", "dice-4", "advice", "best-setting"]
)
def test_a_short_training_cannot_tell(name: str):
    assert verdict(name, make_seed(clock=CLOCK[:8])) == verdicts.CANNOT


def flat(seed, model: int):
    """Return a seed of which a model predicts nothing from the first epoch on."""
    old = seed.curves[model]
    validation = np.where(old.clock > 0, 0.0, 0.3)
    return replace(seed, curves=seed.curves | {model: replace(old, validation=validation)})


def test_a_training_that_never_leaves_the_plateau_is_told():
    stuck = flat(make_seed(), 4)
    judged = verdicts.judge(PAPERS["dice-4"], [stuck])
    assert judged.verdict == "reproduced"
    assert judged.ours == "whole: never (no nucleus up to 10,000)"
    assert "Model 4 predicts no nucleus to the end, as a net with a dead layer would" in judged.why
    assert verdict("dice-3", stuck) == "reproduced"
    assert verdict("dice-3", flat(make_seed(), 3)) == "not reproduced"
    assert verdict("masks-end", flat(make_seed(), 3)) == "not reproduced"
    assert stuck.curves[4].best() == 0.0, "the untrained net is none of the best"


def test_a_finished_model_that_does_not_arrive_refutes_the_claim():
    late = make_seed(dice=(2500, 2600, math.inf, math.inf))
    assert verdict("dice-3", late) == "not reproduced"
    assert verdict("order-models", late) == verdicts.CANNOT


def test_a_first_arrival_counts_though_the_net_falls_back_later():
    seed = make_seed()
    fallen = seed.curves[2].validation.copy()
    fallen[-30:] = 0.0
    seed.curves[2] = replace(seed.curves[2], validation=fallen)
    assert verdict("dice-2", seed) == "reproduced"
    assert not seed.curves[2].is_flat
    assert seed.curves[2].last == 0.0


def test_a_model_1_that_has_not_learned_tells_of_the_data_alone():
    dead = flat(make_seed(), 1)
    every = [*PAPERS.values(), *ours.OURS]
    found = {claim.name: verdicts.judge(claim, [dead]) for claim in every}
    told = {name for name, judged in found.items() if judged.verdict != verdicts.CANNOT}
    assert told == {"maximum", "below-log-k", "maximum-entropy"}
    assert "Model 1 has not learned to segment" in found["layer-11"].why
    assert "yet" not in found["layer-11"].why
    assert ours.cut_order(with_cuts(dead, dict.fromkeys(UNet.ALL_SKIPS, 0.0), dice=0.0)) == {}


def test_a_coarse_clock_cannot_tell_of_the_first_epochs():
    iym = papers_iym()
    iym[0] = 0.0
    assert verdict("first-layers", make_seed(iym[[0, 4, 5, 6]], clock=CLOCK[[0, 4, 5, 6]])) == (
        verdicts.CANNOT
    )


def test_looks_far_apart_cannot_tell_when_a_layer_came():
    few = [0, 4, 10]  # 17 comes between 100 and 6,000
    seed = make_seed(papers_iym()[few], clock=CLOCK[few])
    assert verdict("reaches-17", seed) == verdicts.CANNOT
    assert PAPERS["reaches-17"].read(seed).text == "between 100 and 6,000"


def test_seeds_that_disagree_support_no_verdict():
    two = make_seed(), make_seed(1.5 * papers_iym(), seed=1)
    judged = verdicts.judge(PAPERS["maximum"], two)
    assert judged.verdict == verdicts.CANNOT
    assert "holds in 1 of 2 seeds" in judged.why
    assert judged.ours == "whole: 3.75 bits (3.00 bits to 4.50 bits, 2 seeds)"


def test_a_seed_that_cannot_tell_has_no_vote_but_most_must_tell():
    short = make_seed(clock=CLOCK[:8], seed=2)
    judged = verdicts.judge(PAPERS["dice-3"], [make_seed(), make_seed(seed=1), short])
    assert judged.verdict == "reproduced"
    assert "holds in 2 of 2 seeds, 1 cannot tell" in judged.why
    judged = verdicts.judge(PAPERS["dice-3"], [make_seed(), short])
    assert judged.verdict == verdicts.CANNOT


def test_seeds_of_the_smaller_net_that_disagree_leave_no_verdict():
    half = [make_seed(changed([11], 1.5 if n else 3.0), variant="half", seed=n) for n in range(3)]
    judged = verdicts.judge(PAPERS["layer-11"], [make_seed(), *half])
    assert judged.verdict == verdicts.CANNOT
    assert "half: holds in 2 of 3 seeds, so they disagree" in judged.why


def test_the_papers_own_net_and_the_smaller_one_have_to_agree():
    claim = PAPERS["layer-11"]
    other = changed([11], 3.0)
    half = [make_seed(variant="half", seed=number) for number in range(3)]
    both = verdicts.judge(claim, [make_seed(), *half])
    assert both.verdict == "reproduced"
    assert "whole: holds in 1 of 1 seed. half: holds in 3 of 3 seeds" in both.why
    assert verdicts.judge(claim, [make_seed(other), *half]).verdict == verdicts.CANNOT
    short = make_seed(changed([11], 1.0), clock=CLOCK[:8])
    assert verdicts.judge(claim, [short, *half]).verdict == "reproduced"


def test_clocks_that_do_not_agree_support_no_verdict_on_epochs():
    """Layer 17 comes at 1,000, and by a clock three times as fast only at 3,000."""
    seeds = [make_seed()]
    assert verdicts.judge(PAPERS["reaches-17"], seeds, 1.5).verdict == "reproduced"
    for factor in (3.0, 1 / 3):
        judged = verdicts.judge(PAPERS["reaches-17"], seeds, factor)
        assert judged.verdict == verdicts.CANNOT
        assert "reproduced; by a clock 3.0 times as fast: cannot tell" in judged.why
    assert verdicts.judge(PAPERS["order-layers"], seeds, 3.0).verdict == "reproduced"


def test_a_verdict_that_holds_by_every_clock_stands():
    full = verdicts.judge(PAPERS["layer-11"], [make_seed(changed([11], 3.0))], 3.0)
    assert full.verdict == "not reproduced"
    assert full.why.startswith("So by clocks 3.0 times as slow and as fast")
    early = verdicts.judge(PAPERS["reaches-20"], [make_seed(changed([20], 3.0))], 3.0)
    assert early.verdict == "reproduced"


def test_seeds_that_disagree_are_the_reason_whatever_the_clock():
    seeds = [make_seed(), make_seed(changed([11], 3.0), seed=1)]
    judged = verdicts.judge(PAPERS["layer-11"], seeds, 3.0)
    assert judged.verdict == verdicts.CANNOT
    assert "holds in 1 of 2 seeds, so they disagree" in judged.why
    assert "clock" not in judged.why.replace(PAPERS["layer-11"].note, "")


def test_a_faster_clock_moves_looks_and_curves():
    fast = make_seed().paced(2.0)
    assert fast.clock[-1] == 20_000
    assert fast.reached(17) == 2 * make_seed().reached(17)
    assert fast.curves[3].arrives(0.5) == 2 * make_seed().curves[3].arrives(0.5)
    assert not make_seed().paced(0.5).has_come


def test_an_order_is_read_at_several_levels_of_which_none_may_contradict():
    """Layer 14 stays below 95 % of the maximum, but comes to less of it before layer 11."""
    low = papers_iym()
    low[:, 14] *= 2.7 / 3
    judged = verdicts.judge(PAPERS["order-layers"], [make_seed(low)])
    assert judged.verdict == "reproduced"
    assert "14: never, 11: never; so at" in judged.ours
    late = low.copy()
    late[:5, 20] = 0.0
    late[5:9, 14] = 2.0  # 14 has two thirds before 17 has them
    late[5:9, 17] = 1.0
    assert verdict("order-layers", make_seed(late)) == "not reproduced"


def test_a_layer_that_is_full_before_a_merge_leaves_no_room_for_a_rise():
    assert verdict("rises-iym", make_seed(changed([19], 3.0))) == verdicts.CANNOT


def test_a_verdict_of_a_single_seed_says_so():
    half = make_seed(variant="half")
    half = replace(half, about={"size": 64, "clusters": 64, "images": None})
    judged = verdicts.judge(PAPERS["maximum"], [make_seed(), half])
    assert judged.verdict == "reproduced"
    assert "It rests on one seed" in judged.why


def test_the_control_says_what_holds_for_nets_that_stay_untrained():
    """Layer 20 of this net has the maximum before training, of which nothing was learned."""
    judged = verdicts.judge(PAPERS["reaches-20"], [make_seed(changed([20], 3.0))])
    assert judged.verdict == "reproduced"
    assert judged.untrained == "holds (whole: from the start)"
    judged = verdicts.judge(PAPERS["reaches-17"], [make_seed()])
    assert judged.verdict == "reproduced"
    assert judged.untrained == "does not hold (whole: not by 10,000)"


def test_a_control_is_judged_by_the_maximum_of_the_trained_net():
    low = papers_iym()
    low[0] = 0.1
    low[0, 20] = 1.0
    control = make_seed(low).never_trained()
    assert control.reached(20) == math.inf
    assert control.read().max() == 1.0
    assert control.maximum() == 3.0
    assert layers.layer_11(control).text == "0.10 bits, 3% of the maximum"


def test_a_control_never_learns_to_segment():
    judged = verdicts.judge(PAPERS["dice-4"], [make_seed()])
    assert judged.untrained.startswith("holds (whole: never (best Dice 0.20)")
    assert "does not hold" in verdicts.judge(PAPERS["dice-2"], [make_seed()]).untrained


def test_figures_show_the_papers_net_once_all_its_models_are_trained():
    whole, half = make_seed(), make_seed(variant="half")
    assert study.Study((half, whole)).main() is whole
    short = replace(whole, curves={**whole.curves, 4: make_curve(8000, 5000.0)})
    lacking = replace(whole, curves={1: whole.curves[1]})
    for part in (short, lacking):
        assert study.Study((half, part)).main() is half
        assert study.Study((part,)).main() is part


def test_without_an_untrained_look_there_is_no_control():
    seed = make_seed(papers_iym()[1:], clock=CLOCK[1:])
    assert seed.never_trained() is None
    assert verdicts.judge(PAPERS["layer-11"], [seed]).untrained == "-"


def test_seeds_of_which_some_hold_untrained_are_counted():
    seeds = [make_seed(changed([20], 3.0)), make_seed(variant="half")]
    assert verdicts.judge(PAPERS["reaches-20"], seeds).untrained.startswith("holds in 1 of 2 (")


def test_the_spread_of_the_entropy_over_starts_of_k_means_is_told():
    seed = replace(make_seed(), entropies=(2.9, 3.2, 3.05))
    judged = verdicts.judge(PAPERS["maximum"], [seed])
    assert judged.ours == "whole: 3.00 bits (H(Y) by 3 starts of K-means: 2.90 to 3.20)"


def test_a_single_look_below_the_maximum_is_no_loss_and_later_ones_are_not_the_papers():
    iym = papers_iym()
    when = make_seed(iym).reached(17)
    iym[9, 17] = 0.5
    assert make_seed(iym).reached(17) == when
    clock = np.append(CLOCK, [12_000, 14_000])
    longer = np.vstack([papers_iym(), papers_iym()[-1:], papers_iym()[-1:]])
    longer[-2:, 17] = 0.1
    assert make_seed(longer, clock=clock).reached(17) == when


def test_no_look_near_an_epoch_says_nothing_of_it():
    few = [0, 1, 2, 3, 4, 7, 12]
    judged = verdicts.judge(PAPERS["deep-slow"], [make_seed(papers_iym()[few], clock=CLOCK[few])])
    assert judged.verdict == verdicts.CANNOT
    assert "no look is near these epochs" in judged.why


# --------------------------------------------------------------------------- our own questions


def test_what_the_untrained_net_has_was_not_learned():
    assert verdict("untrained", make_seed()) == "reproduced"
    assert verdict("untrained", make_seed(np.full((13, 23), 3.0))) == "not reproduced"


def test_the_maximum_is_the_entropy_of_the_clusters():
    assert verdict("maximum-entropy", make_seed()) == "reproduced"
    assert verdict("maximum-entropy", make_seed(0.9 * papers_iym())) == "not reproduced"


def test_what_shuffled_classes_give_is_no_knowledge():
    seed = make_seed()
    assert verdict("null", seed) == "reproduced"
    seed.readings["iym_null_high"][:] = seed.readings["iym"]
    assert verdict("null", seed) == "not reproduced"
    assert verdict("null", make_seed(np.full((13, 23), 3.0))) == verdicts.CANNOT, "saturated"


def test_the_setting_that_foretells_the_redesign():
    seed = make_seed()
    wrong = changed([11, 14, 17], 0.0)
    for setting in SETTINGS[1:]:
        seed.readings["iym"].loc[{"setting": setting}] = wrong
    assert ours.agreement(seed, readings.PAPER)[0] == 3
    assert ours.agreement(seed, SETTINGS[1])[0] == 1
    assert verdict("best-setting", seed) == "reproduced"
    seed.readings["iym"].loc[{"setting": SETTINGS[1]}] = papers_iym()
    assert verdict("best-setting", seed) == "reproduced", "no other is better"
    seed.readings["iym"].loc[{"setting": readings.PAPER}] = wrong
    seed.readings["iym"].loc[{"setting": SETTINGS[1]}] = papers_iym()
    assert verdict("best-setting", seed) == "not reproduced"


def with_cuts(seed, costs: dict[str, float], dice: float = 0.9):
    skips = {skip: {"cut": dice - cost, "tuned": dice} for skip, cost in costs.items()}
    return replace(seed, cut={"epoch": 1, "dice": dice, "skips": skips})


def test_the_order_of_harmless_cuts_is_chance():
    costs = {"7->11": 0.006, "5->14": -0.002, "3->17": 0.2, "1->20": 0.8}
    assert ours.harmful(ours.cut_order(with_cuts(make_seed(), costs))) == [
        *(0.0, 0.0),
        *map(pytest.approx, (0.2, 0.8)),
    ]
    assert ours.cut_by_papers_reading(make_seed()).holds is None


def test_redesign_and_cut_differ_where_one_of_them_does_no_harm():
    costs = {"7->11": 0.0, "5->14": 0.4, "3->17": 0.0, "1->20": 0.0}
    assert verdict("redesign-cut", with_cuts(make_seed(), costs)) == "not reproduced"
    costs["1->20"] = 0.8
    assert verdict("redesign-cut", with_cuts(make_seed(), costs)) == "reproduced"
    assert verdict("redesign-cut", make_seed()) == verdicts.CANNOT


# --------------------------------------------------------------------------- the clock


def test_a_clock_that_runs_twice_as_fast_is_found():
    about = {"model": 1, "size": 64, "base_channels": 8, "images": None, "seed": 0}
    main = replace(make_seed(), about=about | {"learning_rate": 0.05})
    other = replace(make_seed(variant="rate0.02"), about=about | {"learning_rate": 0.02})
    other.curves[1] = make_curve(1250, 10_000)
    (found,) = clocks.compare_clocks(study.Study((main,), (other,)))
    assert found["Model 1"] == "rate 0.02 against 0.05"
    for end in ("least", "largest"):
        assert found[f"clock, {end} ratio at equal Dice"] == pytest.approx(0.5, rel=0.06)
    assert clocks.worst_factor([found]) == pytest.approx(2.0, rel=0.06)
    assert clocks.compare_clocks(study.Study((main,))) == []
    assert math.isnan(clocks.worst_factor([]))


def test_rates_are_compared_each_with_each():
    about = {"model": 1, "size": 64, "base_channels": 8, "images": None, "seed": 0}
    main, *others = (
        replace(make_seed(variant=f"rate{rate}"), about=about | {"learning_rate": rate}, rate=rate)
        for rate in (0.05, 0.1, 0.02)
    )
    found = clocks.compare_clocks(study.Study((main,), tuple(others)))
    assert [row["Model 1"] for row in found] == [
        "rate 0.1 against 0.05",
        "rate 0.02 against 0.05",
        "rate 0.02 against 0.1",
    ]


def test_other_masks_say_nothing_of_the_papers_bits():
    smaller = replace(make_seed(), about={"size": 32, "clusters": 8, "images": 64})
    for name in ("maximum", "below-log-k"):
        assert verdict(name, make_seed()) == "reproduced"
        assert verdict(name, smaller) == verdicts.CANNOT


def test_seeds_at_one_rate_are_compared_as_rates_are():
    about = {"model": 1, "size": 64, "base_channels": 8, "images": None, "seed": 0}
    main = replace(make_seed(variant="half"), about=about)
    late = make_seed(variant="half", seed=1)
    late.curves[1] = make_curve(5000, 10_000)
    seeds = (make_seed(), main, late)
    (found,) = clocks.compare_repeats(study.Study(seeds, (replace(main, variant="rate0.02"),)))
    assert found["Model 1"] == "half, seed 1 against half, seed 0"
    assert found["clock, largest ratio at equal Dice"] == pytest.approx(2.0, rel=0.06)
    assert clocks.compare_repeats(study.Study(seeds)) == []


def test_another_precision_is_compared_as_seeds_are_and_is_no_rate():
    about = {"model": 1, "size": 64, "base_channels": 8, "images": None, "seed": 0}
    main = replace(make_seed(variant="half"), about=about | {"precision": "float32"})
    mixed = replace(main, variant="bfloat16", about=about | {"precision": "bfloat16"})
    rate = replace(main, variant="rate0.02")
    every = study.Study((main,), (mixed, rate))
    (found,) = clocks.compare_repeats(every)
    assert found["Model 1"] == "bfloat16, seed 0 against half, seed 0"
    assert found["mean difference of validation Dice"] == 0.0
    assert every.rates() == (main, rate)


def test_a_rate_that_has_not_learned_gives_no_factor():
    about = {"model": 1, "size": 64, "base_channels": 8, "images": None, "seed": 0}
    main = replace(make_seed(), about=about)
    other = replace(flat(make_seed(variant="rate0.02"), 1), about=about)
    found = clocks.compare_clocks(study.Study((main,), (other,)))
    assert math.isnan(clocks.worst_factor(found))


def test_a_net_that_stays_as_it_is_does_not_grow():
    assert verdict("grows", make_seed(np.full((13, 23), 2.0))) == "not reproduced"


def test_a_fall_back_is_no_growth():
    iym = papers_iym()
    assert layers.grows(make_seed(iym)).holds
    iym[8] *= 0.5
    assert verdict("grows", make_seed(iym)) == "not reproduced"


def test_without_a_dip_there_is_no_u():
    assert layers.u_shape(make_seed()).holds
    assert verdict("u-shape", make_seed(np.full((13, 23), 2.0))) == "not reproduced"


def test_one_early_look_is_no_share_of_looks():
    few = make_seed(papers_iym()[[0, 3, 9, 12]], clock=CLOCK[[0, 3, 9, 12]])
    judged = verdicts.judge(PAPERS["rises-iym"], [few])
    assert judged.verdict == verdicts.CANNOT
    assert "too few looks fall into its first 1,000 epochs" in judged.why


def test_what_untrained_nets_do_too_is_said_beside_the_verdict():
    judged = verdicts.judge(PAPERS["reaches-20"], [make_seed(changed([20], 3.0))])
    assert "Untrained nets do the same" in judged.why
    assert "Untrained nets" not in verdicts.judge(PAPERS["reaches-17"], [make_seed()]).why


def test_epochs_of_several_seeds_are_written_as_epochs():
    seeds = [make_seed(changed([17], papers_iym()[:, [layer]])) for layer in (14, 20, 17)]
    seeds = [replace(one, seed=number) for number, one in enumerate(seeds)]
    ours_text = verdicts.judge(PAPERS["reaches-17"], seeds).ours
    assert "e+" not in ours_text


def test_cuts_that_cost_nothing_have_no_order():
    costs = {"7->11": 0.006, "5->14": -0.002, "3->17": 0.02, "1->20": 0.01}
    seed = with_cuts(make_seed(), costs)
    answer = ours.cut_by_papers_reading(replace(seed, flow=None))
    assert answer.why == "no cut costs more than 0.03, so there is no order"
    assert ours.cut_by_papers_reading(make_seed()).why == "no cut was tried"
