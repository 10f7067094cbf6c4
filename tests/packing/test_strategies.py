from explorer.strategies import GridStrategy, Outcome, Strategy


def test_grid_hands_out_each_configuration_once_in_order(grid):
    strategy: Strategy = GridStrategy([*grid, *grid])
    first = strategy.ask(100)
    strategy.tell([Outcome(first[0], "completed", 0.5, 1.0)])
    assert not strategy.finished
    assert first + strategy.ask(10**6) == grid
    assert strategy.finished
    assert strategy.ask(5) == []


def test_empty_grid_is_finished():
    assert GridStrategy([]).finished
