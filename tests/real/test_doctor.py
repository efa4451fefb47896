"""`doctor` on a machine with a real registry and engine."""

import pytest
from real.parts import Workplace

pytestmark = pytest.mark.real


@pytest.fixture
def place(tmp_path, pushed):
    workplace = Workplace(tmp_path, pushed.host)
    assert workplace.build("registry").code == 0
    workplace.sign(workplace.new_key())
    return workplace


def doctor(place, **environment):
    """Return the exit code and the finding of each subject."""
    outcome = place.titan(
        "doctor", "--state", place.path("state"), "--format", "json", **environment
    )
    return outcome.code, {row["subject"]: row for row in outcome.document["findings"]}


def test_everything_is_ready(place, engine, pushed):
    code, findings = doctor(place)
    assert code == 0, findings
    assert findings["engine"]["status"] == "ok"
    assert engine in findings["engine"]["detail"]
    assert findings[f"registry {pushed.host}"]["status"] == "ok"
    assert findings["trust"]["status"] == "ok"


def test_an_engine_that_is_not_there_is_named(place, pushed):
    code, findings = doctor(place, DOCKER_HOST=f"unix://{place.path('nothing.sock')}")
    assert code == 3, findings
    assert findings["engine"]["status"] == "not ok"
    assert "DOCKER_HOST" in findings["engine"]["fix"]
    assert findings[f"registry {pushed.host}"]["status"] == "ok"


def test_a_registry_that_is_not_there_is_named(tmp_path, engine):
    del engine
    place = Workplace(tmp_path, "127.0.0.1:1")
    code, findings = doctor(place)
    assert code == 3, findings
    assert findings["registry 127.0.0.1:1"]["status"] == "not ok"
    assert findings["engine"]["status"] == "ok"
