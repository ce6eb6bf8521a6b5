"""The tasks system, T: `POST /batch-call` with a list of tasks, the batch, and the results behind its `tasks_url`.

What the captured document leaves open is settled in docs/dialects-tasks.md.
"""

from typing import Final

from dialerd.model.errors import InvalidInput
from dialerd.plugin.dialect import Answer, Campaigns, Dialect, Request, Route
from dialerd_dialects.fields import json_object, renamed
from dialerd_dialects.tasks_answers import created, envelope, failed, people, refused, standing, tasks
from dialerd_dialects.tasks_request import NAME, NAMES, new_id, order, reads


async def _create(request: Request, campaigns: Campaigns) -> Answer:
    wanted = order(json_object(request.body), campaigns.settings, new_id())
    try:
        made = await campaigns.create(wanted, once=request.once)
    except InvalidInput as error:
        raise renamed(error, NAMES) from error
    status = "draft" if wanted.draft else "sent" if wanted.launch else "scheduled"
    return envelope(created(made.campaign, request, status), "Batch call created successfully")


async def _get(request: Request, campaigns: Campaigns) -> Answer:
    view = await campaigns.get(request.params["batch_call_id"])
    return envelope(await standing(view, campaigns, request), "Batch call found")


async def _tasks(request: Request, campaigns: Campaigns) -> Answer:
    view = await campaigns.get(request.params["batch_call_id"])
    return Answer(status=200, body=tasks(view, await people(view.id, campaigns)))


def _token(request: Request) -> str | None:
    key, secret = (request.headers.get(name) for name in ("x-api-key", "x-api-secret"))
    return f"{key}:{secret}" if key and secret else None


DIALECT: Final = Dialect(
    name=NAME,
    routes=(
        Route(method="POST", path="/batch-call", handle=_create, creates=True),
        Route(method="GET", path="/batch-call/{batch_call_id}", handle=_get),
        Route(method="GET", path="/batch-call/{batch_call_id}/tasks", handle=_tasks),
    ),
    token=_token,
    refused=refused,
    failed=failed,
    reads=reads,
)
