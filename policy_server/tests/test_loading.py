"""What kind of policy a folder holds, and what is said where it holds none."""

import subprocess
import sys

import pytest

from tmrl_common.errors import ConfigError
from tmrl_policies.checkpoint import CheckpointError
from tmrl_policies.flow_served import ServedFlowPolicy
from tmrl_policies.pi0.inputs.rigs import BRIDGE
from tmrl_policies.pi0.inputs.testing import write_checkpoint
from tmrl_policy_server.loading import is_pi0, load_policy

TRANSFORM = "xyz_gripper_to_bridge_delta_ee_7"


def test_a_small_policy_is_known_by_its_record(checkpoint):
    assert not is_pi0(checkpoint)
    assert isinstance(load_policy(checkpoint, TRANSFORM, {}), ServedFlowPolicy)


def test_a_pi0_is_known_by_its_weights(tmp_path):
    write_checkpoint(tmp_path, BRIDGE)
    assert is_pi0(tmp_path)
    policy = load_policy(tmp_path, TRANSFORM, {"dino": "none", "device": "cpu"})
    assert policy.spec.cameras == ("overview",)


@pytest.mark.parametrize(
    ("name", "known"),
    [("model.safetensors.index.json", True), ("pytorch_model.bin", False)],
)
def test_a_pi0_in_several_files_is_one_and_a_pickle_is_named(tmp_path, name, known):
    (tmp_path / name).touch()
    assert is_pi0(tmp_path) == known
    if not known:
        with pytest.raises(CheckpointError, match="pickled"):
            load_policy(tmp_path, TRANSFORM, {})


def test_settings_of_a_pi0_are_refused_for_a_small_policy(checkpoint):
    with pytest.raises(ConfigError, match="dino: for a pi0 only"):
        load_policy(checkpoint, TRANSFORM, {"dino": "none"})


def test_a_folder_without_a_policy_is_told_what_is_looked_for(tmp_path):
    with pytest.raises(CheckpointError, match=r"neither policy\.json nor model\.safetensors"):
        load_policy(tmp_path, TRANSFORM, {})


def test_a_checkpoint_of_jax_is_told_how_to_convert_it(tmp_path):
    (tmp_path / "params").mkdir()
    with pytest.raises(CheckpointError, match="convert_jax_model_to_pytorch"):
        load_policy(tmp_path, TRANSFORM, {})


@pytest.mark.parametrize("name", ["policy.safetensors"])
def test_a_truncated_checkpoint_is_refused(checkpoint, name):
    path = checkpoint / name
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="does not have the SHA-256"):
        load_policy(checkpoint, TRANSFORM, {})


def test_a_truncated_pi0_is_refused(tmp_path):
    write_checkpoint(tmp_path, BRIDGE)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_policy(tmp_path, TRANSFORM, {"dino": "none", "device": "cpu"})


def test_a_small_policys_server_imports_nothing_of_pi0s_libraries():
    heavy = "{'transformers', 'sentencepiece', 'openpi_client', 'websockets', 'prometheus_client'}"
    program = f"import sys, tmrl_policy_server.cli; print({heavy} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout.strip() == "set()", found.stderr
