"""Databases that are missing or empty: new only where nothing tells of a former life."""

import pytest
from sqlalchemy import text

from dialerd.model.errors import StoreLost
from dialerd.store.store import open_store


@pytest.fixture
def path(tmp_path):
    """Return where a database may be."""
    return tmp_path / "dialerd.db"


@pytest.fixture
def url(path):
    """Return the URL of a store in a file."""
    return f"sqlite:///{path}"


def beside(path, ending):
    """Return the file beside the database whose name has that ending."""
    return path.with_name(path.name + ending)


async def refused(url):
    """Return why a store cannot be opened."""
    with pytest.raises(StoreLost) as refusal:
        async with open_store(url):
            pass
    return str(refusal.value)


async def test_a_first_start(url, path):
    """It makes a database, and knows that it did; the next finds it. One that was killed leaves an empty file."""
    path.touch()
    async with open_store(url) as store:
        assert store.created
    async with open_store(url) as store:
        assert not store.created


@pytest.mark.parametrize("emptied", [True, False])
async def test_a_database_that_is_gone(url, path, emptied):
    """Emptied or deleted between two lives: no start forgets it, until somebody wants to begin anew."""
    async with open_store(url):
        pass
    path.write_bytes(b"") if emptied else path.unlink()
    for _ in range(2):
        said = await refused(url)
        assert f"{path} is {'empty' if emptied else 'missing'}, and was there before: restore a backup" in said
        assert f"delete {beside(path, '.made')}" in said
    beside(path, ".made").unlink()
    async with open_store(url) as store:
        assert store.created


@pytest.mark.parametrize("ending", [".damaged", "-wal", ".made"])
async def test_each_trace_is_enough(url, path, ending):
    """Whichever a former life has left; and it is left where it is."""
    beside(path, ending).write_text("x")
    assert f"delete {beside(path, ending)}" in await refused(url)
    assert beside(path, ending).exists()
    assert not path.exists()


async def test_an_empty_log_is_no_trace(url, path):
    """A first start that was killed may leave one."""
    beside(path, "-wal").touch()
    async with open_store(url) as store:
        assert store.created


async def test_a_rescue_that_fails(url, path):
    """The file is gone and the copy could not be made: the next start does not know nobody, it refuses."""
    async with open_store(url) as store:
        await store.write(lambda c: c.execute(text("CREATE TABLE t (i)")))
        path.unlink()
        beside(path, ".rescued").write_text("in the way")  # as good as a disk without room
        with pytest.raises(StoreLost, match="could not be copied"):
            await store.write(lambda c: c.execute(text("INSERT INTO t VALUES (1)")))
    assert not beside(path, ".rescued").exists()
    beside(path, ".made").unlink(missing_ok=True)  # a life of before there was this mark
    assert "restore a backup" in await refused(url)
    assert not path.exists()
