"""Where a task stands: in whose code, whatever that is called."""

import pytest
import trio

from dialerd.engine.whereabouts import of_tasks

WAIT = """
async def wait(trio):
    await trio.sleep_forever()
"""


@pytest.mark.parametrize("module", ["triosip", "outcomes", "dialerd_modem", "trio_websocket"])
async def test_a_plugin_whose_name_begins_like_ours(module):
    """It is named all the same, and before those of dialerd that wait as well."""
    plugin = {"__name__": module}
    exec(compile(WAIT, f"/plugins/{module}.py", "exec"), plugin)
    core = {"__name__": "dialerd.engine.x"}
    exec(compile(WAIT, "/dialerd/engine/x.py", "exec"), core)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(core["wait"], trio)
        nursery.start_soon(plugin["wait"], trio)
        await trio.testing.wait_all_tasks_blocked()
        assert of_tasks([nursery]) == [f"/plugins/{module}.py:3 in wait", "/dialerd/engine/x.py:3 in wait"]
        nursery.cancel_scope.cancel()
