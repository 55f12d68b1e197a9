"""Plays the agent's side of the replay: a real journal, the topic, the status and the service."""

from dataclasses import replace

import numpy as np
from rclpy.node import Node

from tmrl_agent.journal import Journal
from tmrl_common.testing.message_examples import EXAMPLE_SPEC
from tmrl_common.testing.transition_examples import LENGTH, example_transition
from tmrl_msgs.msg import AgentStatus, LearnerStatus, Transition
from tmrl_msgs.srv import FetchTransitions
from tmrl_ros import qos
from tmrl_ros.transition_messages import transition_to_msg

SPEC = replace(EXAMPLE_SPEC, z_dim=LENGTH, epsilon_dim=0, features_dim=LENGTH)
"""What a policy server serves whose learner takes these transitions."""


def transition(sequence, **changes):
    """One of the sizes that the policy asks for."""
    return example_transition(sequence, epsilon=np.zeros(0, np.float32), **changes)


class AgentStandIn(Node):
    """Also whoever looks at the learner's status."""

    def __init__(self, path, robot="widowx", namespace=""):
        super().__init__("agent_stand_in", namespace=namespace)
        self.journal = Journal(path, robot, "run")
        self.statuses = []
        self.topic = self.create_publisher(Transition, "replay/transitions", qos.EVENT)
        self.status = self.create_publisher(AgentStatus, "agent/status", qos.STATUS)
        self.create_service(FetchTransitions, "replay/fetch", self.on_fetch)
        self.create_subscription(LearnerStatus, "learner/status", self.statuses.append, qos.STATUS)
        self.create_timer(0.2, self.announce)

    def on_fetch(self, request, response):
        response.last_sequence = self.journal.last_sequence
        found = self.journal.fetch(request.first_sequence, request.max_count)
        response.transitions = [transition_to_msg(each) for each in found]
        return response

    def announce(self):
        last = self.journal.last_sequence
        self.status.publish(AgentStatus(session="run", transitions_published=last))

    def record(self, made):
        self.journal.append([made])
        self.topic.publish(transition_to_msg(made))
        self.announce()

    def destroy_node(self):
        self.journal.close()
        super().destroy_node()
