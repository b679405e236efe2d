"""The action ~/ask_action: the service ~/ask with feedback, for models that take long.

A goal that is cancelled gives up its place in the queue, or the model's reply after the token it
is at; its result then says so.
"""

from rclpy.action import ActionServer, CancelResponse

from depthlm_msgs.action import Ask
from depthlm_ros.nodes.depth.ask import Progress


class AskAction:
    """Serves goals by ``fill(request, result, progress)``, the coroutine of ~/ask."""

    def __init__(self, node, services, guard, group):
        self._node, self._services, self._guard = node, services, guard
        self._running: dict[bytes, Progress] = {}
        self._server = ActionServer(
            node,
            Ask,
            "~/ask_action",
            self._execute,
            callback_group=group,
            cancel_callback=self._on_cancel,
        )

    def close(self) -> None:
        """Leave the graph."""
        self._server.destroy()

    def _on_cancel(self, goal) -> CancelResponse:
        progress = self._running.get(bytes(goal.goal_id.uuid))
        if progress is not None:
            progress.until.cancel()
        return CancelResponse.ACCEPT

    async def _execute(self, goal) -> Ask.Result:
        """Answer one goal; runs until it is answered or given up."""
        result, key = Ask.Result(), bytes(goal.goal_id.uuid)

        def tell(stage: str, share: float) -> None:
            self._node.executor.create_task(self._feed_back, goal, stage, share)

        try:
            progress = self._services.progress_of(goal.request, tell)
            self._running[key] = progress
            await self._services.fill(goal.request, result, progress)
        finally:
            self._running.pop(key, None)
        if goal.is_cancel_requested:
            goal.canceled()
        elif result.success:
            goal.succeed()
        else:
            goal.abort()
        return result

    def _feed_back(self, goal, stage: str, share: float) -> None:
        if goal.is_active:
            message = Ask.Feedback(stage=stage, progress=share)
            self._guard.wrap("feedback of ~/ask_action", goal.publish_feedback)(message)
