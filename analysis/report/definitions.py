"""Every term of the page with its definition and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

_HERE = "docs/methods.md"


@dataclass(frozen=True, kw_only=True, slots=True)
class Definition:
    """A term, what it means here, and the source: author, year, equation, or this program."""

    term: str
    definition: str
    source: str


DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        term="trial",
        definition="One training run: one configuration with one seed.",
        source="docs/architecture.md",
    ),
    Definition(
        term="batch size, B",
        definition="Samples in one step of stochastic gradient descent, constant during a trial.",
        source="Smith & Le 2018, section 4; He, Liu & Tao 2019, equations 5-10 (there |S|)",
    ),
    Definition(
        term="learning rate, ε",
        definition="The step length on the mean loss of a batch; constant unless it decays at the "
        "end.",
        source="Smith & Le 2018, section 4; He, Liu & Tao 2019, equations 5-10 (there η)",
    ),
    Definition(
        term="momentum, m",
        definition="The share of the last step that is added to the next one; with it a gradient "
        "counts 1/(1 − m) times in all.",
        source="Smith & Le 2018, appendix D, equations 22-32",
    ),
    Definition(
        term="training-set size, N",
        definition="Samples trained on: a prefix of one fixed permutation of the data set.",
        source="Smith & Le 2018, figure 6",
    ),
    Definition(
        term="condition",
        definition="A learning rate, momentum and training-set size within a group. B_opt is a "
        "function of the condition.",
        source=_HERE,
    ),
    Definition(
        term="cell",
        definition="A condition with a batch size; its seeds are its repetitions.",
        source=_HERE,
    ),
    Definition(
        term="group",
        definition="Trials that share data set, model, budget and every other setting that varies. "
        "Each group has its own noise, curves and law.",
        source=_HERE,
    ),
    Definition(
        term="budget",
        definition="How long a trial trains: a number of steps, of epochs, of time (steps = "
        "time·(1 − m)/ε, equal effective time) or of time over the learning rate (steps = time/ε).",
        source="Smith & Le 2018, figure 5 (10,000/ε steps); docs/architecture.md",
    ),
    Definition(
        term="noise scale, g",
        definition="How strongly the batches' noise shakes the weights: g = ε(N/B − 1)/(1 − m) for "
        "batches drawn without replacement, about ε·N/(B·(1 − m)) where B is much smaller than N.",
        source="Smith & Le 2018, equations 11-13; with momentum appendix D, equation 32",
    ),
    Definition(
        term="effective scale, ε·N/(1 − m)",
        definition="What B_opt is proportional to if the best noise scale is the same everywhere: "
        "g is fixed where B is in proportion to it.",
        source="Smith & Le 2018, section 5 and equation 32",
    ),
    Definition(
        term="B_opt",
        definition="The batch size at which the smooth curve of mean accuracy over log B is "
        "highest: the median of the maximisers of 2,000 posterior draws, with their central 95 %.",
        source=f"{_HERE}; Rasmussen & Williams 2006, section 2.7 and equation 4.17",
    ),
    Definition(
        term="censored",
        definition="At least 10 % of the draws have the peak at the smallest or largest sampled "
        "batch size: it may lie beyond, its position is a bound, and it stays out of the law.",
        source=f"{_HERE}; Tobin 1958 for the law that uses the bounds",
    ),
    Definition(
        term="near-optimal range",
        definition="The unbroken range of batch sizes around B_opt within 0.5 points of the best "
        "accuracy, unless another tolerance is given.",
        source=_HERE,
    ),
    Definition(
        term="edge of trainability, B_edge",
        definition="The batch size below which trials stop training: half the height of the cliff "
        "of training accuracy. It is expected to move as ε/(1 − m), without N.",
        source=f"{_HERE}; Papke & Wooldridge 1996 for the fit",
    ),
    Definition(
        term="peak p",
        definition="p of the hypothesis that accuracy never falls as B grows (or never rises): "
        "small means that it rises and then falls. That the maximum was chosen is allowed for.",
        source=f"{_HERE}; Robertson, Wright & Dykstra 1988",
    ),
    Definition(
        term="exponent",
        definition="a, b and g of B_opt = c·ε^a·N^b/(1 − m)^g; 1 each by Smith & Le. An axis that "
        "did not vary, or only in step with another, has none that can be identified.",
        source="Smith & Le 2018, figures 5-7; Knapp & Hartung 2003 for the intervals",
    ),
    Definition(
        term="heterogeneity, τ",
        definition="Standard deviation of ln B_opt between conditions beyond their own errors: "
        "every condition may lie off the law by a random shift.",
        source="Paule & Mandel 1982; DerSimonian & Kacker 2007",
    ),
    Definition(
        term="rivals, leave-level-out",
        definition="Other laws of B_opt, ranked by how well each predicts ln B_opt when all "
        "conditions with one value of an axis are left out of its fit.",
        source=f"{_HERE}; the square-root rule: Gao & Zhong, equation 6",
    ),
    Definition(
        term="collapse, R²",
        definition="The share of the variance of accuracy relative to the condition's best that "
        "one variable, such as g, explains in conditions left out of the fit; below 0 it does "
        "worse than their mean.",
        source=_HERE,
    ),
    Definition(
        term="Spearman's ρ",
        definition="Correlation of ranks, from −1 to 1: how consistently accuracy falls or rises.",
        source="He, Liu & Tao 2019, tables 1-3; interval: Bonett & Wright 2000",
    ),
    Definition(
        term="permutation p",
        definition="The share of random orders whose ρ is at least as far from 0; exact where "
        "cells are few.",
        source="Phipson & Smyth 2010",
    ),
    Definition(
        term="Holm",
        definition="p corrected so that any wrong rejection in the whole family of tests is as "
        "rare as said.",
        source="Holm 1979",
    ),
    Definition(
        term="Benjamini-Hochberg",
        definition="p corrected so that the expected share of wrong ones among the rejections is "
        "as small as said.",
        source="Benjamini & Hochberg 1995",
    ),
    Definition(
        term="regime, turn",
        definition="Whether accuracy falls with B/ε throughout, as He et al. claim, or rises up to "
        "a ratio, the turn, and falls beyond it, as Smith & Le's optimum has it.",
        source="He, Liu & Tao 2019, corollary 1; Smith & Le 2018, equations 11-13; Meyer & "
        "Woodroofe 2000 for the fit",
    ),
    Definition(
        term="under-training",
        definition="A cell whose training accuracy stays below 0.99: its test accuracy may be "
        "limited by training, against the premise of an almost vanishing training error.",
        source="He, Liu & Tao 2019, section 4",
    ),
    Definition(
        term="diverged",
        definition="The loss was no longer finite. The trial counts at chance in its cell's mean; "
        "left out, it would make batch sizes that fail look good.",
        source=_HERE,
    ),
    Definition(
        term="failed, missing",
        definition="The program or machine failed, or the planned trial has not run: it says "
        "nothing about the configuration, is left out and counted.",
        source=_HERE,
    ),
    Definition(
        term="chance",
        definition="The accuracy of guessing, 1/classes; where the classes are unknown, the lowest "
        "accuracy found if that is at most half of the best, else 0.",
        source=_HERE,
    ),
    Definition(
        term="standard error",
        definition="Standard deviation of a cell's mean over seeds; on the trained side the noise "
        "is pooled over cells at the same distance from the edge.",
        source=_HERE,
    ),
    Definition(
        term="95 % interval",
        definition="Made by a procedure that holds the true value 95 times in 100; how often each "
        "of them did, on landscapes whose truth is known, stands in docs/calibration.md.",
        source="docs/calibration.md",
    ),
)
