"""A service whose answer comes later, over real DDS and with the executor of a node's process."""

import threading

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_srvs.srv import Trigger

from tmrl_common.service_reply import ServiceReply
from tmrl_common.testing.waiting import wait_until
from tmrl_ros.deferred_service import serve_deferred
from tmrl_ros.executor import make_executor, spin_until_done, wake
from tmrl_ros.network import enter_ros

pytestmark = pytest.mark.ros


@pytest.fixture(params=[make_executor, SingleThreadedExecutor])
def node(ros_domain_id, request):
    """A node that is spun, and the client of its service."""
    enter_ros([], domain_id=ros_domain_id)
    node, over = Node("server"), rclpy.task.Future()
    executor = request.param()
    executor.add_node(node)
    spinning = threading.Thread(target=spin_until_done, args=(executor, over))
    spinning.start()
    yield node
    over.set_result(None)
    spinning.join()
    node.destroy_node()
    executor.shutdown()
    rclpy.try_shutdown()


def answers_of(node, requests):
    client = node.create_client(Trigger, "ask")
    wait_until(client.service_is_ready, "the service")
    return [client.call_async(Trigger.Request()) for _ in range(requests)]


def test_requests_are_answered_in_whatever_order_the_replies_come(node):
    waiting, sent = [], []
    serve_deferred(node, Trigger, "ask", lambda _, answer: waiting.append(answer))
    wake(node, lambda: sent.extend(answers_of(node, 2)))
    wait_until(lambda: len(waiting) == 2, "both requests, the first of them unanswered")
    waiting[1](ServiceReply.done("second"))
    wait_until(lambda: sent[1].done(), "the second answer")
    assert not sent[0].done()
    wake(node, lambda: waiting[0](ServiceReply.refused("first")))
    wait_until(lambda: sent[0].done(), "the first answer")
    results = [(future.result().success, future.result().message) for future in sent]
    assert results == [(False, "first"), (True, "second")]


def test_a_reply_at_once_is_one(node):
    sent = []
    serve_deferred(node, Trigger, "ask", lambda _, answer: answer(ServiceReply.done("at once")))
    wake(node, lambda: sent.extend(answers_of(node, 1)))
    wait_until(lambda: sent and sent[0].done(), "the answer")
    assert sent[0].result().message == "at once"
