import numpy as np

from decamo.data.draws import ORDER, PIXELS, uniforms, words


def test_golden_words_never_change() -> None:
    assert [hex(w) for w in words(PIXELS, 7, 3, 11, 3).tolist()] == GOLDEN


def test_every_part_of_the_key_matters_and_streams_do_not_overlap() -> None:
    keys = [(p, s, e, i) for p in (ORDER, PIXELS) for s in (0, 1) for e in (0, 1) for i in (0, 1)]
    drawn = [w for key in keys for w in words(*key, 100).tolist()]
    assert len(set(drawn)) == len(drawn)


def test_large_keys_are_taken() -> None:
    assert len(words(PIXELS, 2**63 - 1, 2**40, 2**40, 2)) == 2


def test_uniforms_are_uniform() -> None:
    values = np.array([uniforms(PIXELS, 0, 0, index, 4) for index in range(2000)])
    assert values.min() >= 0
    assert values.max() < 1
    # standard error of the mean of 8000 uniforms is 0.0032; five of them
    assert abs(values.mean() - 0.5) < 0.016
    assert abs(np.corrcoef(values.T)[0, 1]) < 0.12


GOLDEN = ["0x369f9c3b0475566f", "0x5f510f9c02a56d2f", "0xe505842a4b5e2953"]
