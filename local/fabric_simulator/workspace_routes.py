"""What Fabric says of a workspace, its items and its capacity: the reads that a check makes."""

from collections.abc import Iterable

from aiohttp import web

from local.fabric_simulator.answers import ApiError, answer
from local.fabric_simulator.faults import Operation
from local.fabric_simulator.gateway import Call, Gateway
from local.fabric_simulator.items import Items, Notebook
from local.fabric_simulator.settings import Settings

CAPACITY = "c0ffee00-0000-4000-8000-000000000001"


class Workspaces:
    """Answers for the one workspace there is, on a capacity that runs."""

    def __init__(self, items: Items, settings: Settings) -> None:
        self._items = items
        self._settings = settings

    def routes(self, gateway: Gateway) -> Iterable[web.AbstractRouteDef]:
        place = "/v1/workspaces/{workspace}"
        return [
            web.get("/v1/capacities", gateway.handler(Operation.READ, self._capacities)),
            web.get(place, gateway.handler(Operation.READ, self._workspace)),
            web.get(f"{place}/items/{{item}}", gateway.handler(Operation.READ, self._item)),
        ]

    async def _capacities(self, call: Call) -> web.Response:
        capacity = {
            "id": CAPACITY,
            "displayName": "local",
            "sku": "F2",
            "region": "local",
            "state": "Active",
        }
        return answer(call.request_id, {"value": [capacity]})

    async def _workspace(self, call: Call) -> web.Response:
        self._check(call.request)
        document = {
            "id": self._settings.workspace_id,
            "displayName": "local",
            "description": "",
            "type": "Workspace",
            "capacityId": CAPACITY,
            "capacityAssignmentProgress": "Completed",
        }
        return answer(call.request_id, document)

    async def _item(self, call: Call) -> web.Response:
        self._check(call.request)
        item = self._items.get(call.request.match_info["item"])
        if item is None:
            raise ApiError(404, "ItemNotFound", "The requested item is not found")
        document = {
            "id": item.id,
            "displayName": item.name,
            "description": "",
            "type": "Notebook" if isinstance(item, Notebook) else "DataPipeline",
            "workspaceId": self._settings.workspace_id,
        }
        return answer(call.request_id, document)

    def _check(self, request: web.Request) -> None:
        if request.match_info["workspace"].lower() != self._settings.workspace_id.lower():
            raise ApiError(404, "WorkspaceNotFound", "The requested workspace is not found")
