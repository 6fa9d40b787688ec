"""Long transfers tell what is left; off a terminal a line stands now and then."""

from boards.host import progress
from boards.host.progress import Transfers, under_way


def test_the_time_that_is_left_is_that_of_each_transfer():
    now = [1.0]
    said: list[str] = []
    told = Transfers(said.append, lambda: now[0])
    for time, done, total in ((1, 1024, 10240), (2, 2048, 10240), (50, 1024, 1 << 20),
                              (51, 2048, 1 << 20), (52, 100, 200), (53, 200, 200)):
        now[0] = time
        told(done, total)
    assert said == ["2,048 of 10,240 bytes, about 8 s left",
                    "2,048 of 1,048,576 bytes, about 17 min left"]


def test_a_line_stands_now_and_then_where_there_is_no_terminal(monkeypatch, capsys):
    with under_way() as tell:
        tell("too soon")
        monkeypatch.setattr(progress, "_INTERVAL_S", -1.0)
        tell("layer a, 5 cycles")
    assert capsys.readouterr().err == "  layer a, 5 cycles\n"
