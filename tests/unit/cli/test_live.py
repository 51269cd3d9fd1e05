from cli.live import Pace
from cli.status import Overview
from jobs.model import State


def seen(**counts):
    states = {state: counts.get(state.value, 0) for state in State}
    return Overview(total=sum(states.values()), states=states, gates=())


def test_the_pace_is_taken_from_the_looks_before():
    pace = Pace()
    assert pace.look(seen(queued=100), 0.0) == ""
    assert pace.look(seen(queued=90, done=9, failed=1), 30.0) == "20.0 files a minute; 90 left, about 4:30"


def test_no_pace_without_progress_or_without_work():
    pace = Pace()
    assert pace.look(seen(queued=1), 0.0) == pace.look(seen(queued=1), 60.0) == ""
    assert pace.look(seen(done=1), 120.0) == ""
