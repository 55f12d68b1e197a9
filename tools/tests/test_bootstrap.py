"""The set-up: what it decides, without a network, a compiler or a virtual environment."""

import os
import sys
from pathlib import Path

import pytest

from tmrl_cli.bootstrap import (
    environment,
    interpreter,
    python_packages,
    ros_source,
    ros_wheels,
    system_packages,
    uv,
    workspace,
)
from tmrl_cli.bootstrap.interpreter import Interpreter
from tmrl_cli.bootstrap.layout import Layout
from tmrl_cli.bootstrap.steps import Progress, SetupError, run_logged


def python(version=(3, 11), **facts) -> Interpreter:
    values = {"has_venv": True, "has_headers": True, "has_rclpy": False, **facts}
    return Interpreter(path=Path("python3"), version=version, **values)


@pytest.fixture
def layout(tmp_path) -> Layout:
    """A checkout with one message package and one Python package."""
    messages = tmp_path / "ros2_ws" / "src" / "some_msgs"
    nodes = tmp_path / "ros2_ws" / "src" / "some_nodes"
    for file, text in {
        messages / "package.xml": "<package/>",
        messages / "msg" / "State.msg": "float64 x_m",
        nodes / "setup.py": "setup()",
        nodes / "some_nodes" / "core.py": "A = 1",
        tmp_path / ".venv" / "pyvenv.cfg": "include-system-site-packages = false",
    }.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Layout(tmp_path)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("some_msgs/msg/State.msg", "float64 x_m\nfloat64 y_m"),
        ("some_msgs/package.xml", "<package format='3'/>"),
        ("some_nodes/setup.py", "setup(1)"),
        ("some_nodes/config/new.yaml", ""),
    ],
)
def test_workspace_is_built_again_after_what_needs_a_build(layout, file, text):
    before = workspace.fingerprint(layout, "packages")
    path = layout.root / "ros2_ws" / "src" / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    assert workspace.fingerprint(layout, "packages") != before


def test_workspace_is_not_built_again_after_edits_of_python_files(layout):
    before = workspace.fingerprint(layout, "packages")
    package = layout.root / "ros2_ws" / "src" / "some_nodes" / "some_nodes"
    (package / "core.py").write_text("A = 2")
    (package / "new.py").write_text("")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "core.pyc").write_text("")
    assert workspace.fingerprint(layout, "packages") == before


def test_workspace_is_built_again_when_the_packages_it_links_to_change(layout):
    assert workspace.fingerprint(layout, "a") != workspace.fingerprint(layout, "b")


def test_wheels_point_at_this_python_after_the_repair(layout, monkeypatch):
    monkeypatch.setattr(ros_wheels, "_python_paths", lambda _: ("/here/include", "/here/site"))
    exported = layout.venv / "share" / "std_msgs" / "cmake" / "export.cmake"
    exported.parent.mkdir(parents=True)
    exported.write_text(
        'INCLUDES "/opt/python/cp311-cp311/include/python3.11;'
        '/opt/python/cp311-cp311/lib/python3.11/site-packages/numpy/_core/include;/usr/include"'
    )
    assert ros_wheels.rewrite_prefixes(layout) == 1
    assert exported.read_text() == (
        'INCLUDES "/here/include;/here/site/numpy/_core/include;/usr/include"'
    )
    assert ros_wheels.rewrite_prefixes(layout) == 0


def test_the_repair_leaves_the_installers_cache_alone(layout, monkeypatch):
    monkeypatch.setattr(ros_wheels, "_python_paths", lambda _: ("/here/include", "/here/site"))
    cached = layout.root / "cached.cmake"
    cached.write_text('INCLUDES "/opt/python/cp311-cp311/include/python3.11"')
    exported = layout.venv / "share" / "std_msgs" / "cmake" / "export.cmake"
    exported.parent.mkdir(parents=True)
    exported.hardlink_to(cached)
    assert ros_wheels.rewrite_prefixes(layout) == 1
    assert cached.read_text() == 'INCLUDES "/opt/python/cp311-cp311/include/python3.11"'
    assert exported.read_text() == 'INCLUDES "/here/include"'


def test_uv_gets_the_indices_that_pip_is_configured_to():
    settings = uv.translated(
        ":env:.find-links='/wheels'\n"
        "global.cert='/etc/ca.pem'\n"
        "global.constraint='/etc/caps.txt'\n"
        "global.disable-pip-version-check='1'\n"
        "global.extra-index-url='https://a/simple\\nhttps://b/simple'\n"
        "global.find-links='/overridden'\n"
        "freeze.timeout='10'\n"
        "install.index-url='https://user:secret@main/simple'\n"
    )
    assert settings is not None
    assert settings.environment == {
        "SSL_CERT_FILE": "/etc/ca.pem",
        "UV_EXTRA_INDEX_URL": "https://a/simple https://b/simple",
        "UV_FIND_LINKS": "/wheels",
        "UV_INDEX_URL": "https://user:secret@main/simple",
    }
    assert settings.arguments[-2:] == ("--constraints", "/etc/caps.txt")


def test_pip_keeps_the_work_where_uv_has_no_word_for_its_configuration():
    assert uv.translated("global.platform='manylinux_2_17_x86_64'\n") is None


@pytest.mark.parametrize("uv_works", [True, False])
def test_what_uv_cannot_install_pip_is_asked_for(layout, monkeypatch, uv_works):
    asked: list[list[str]] = []

    def run(command, *, log_file, progress, env=None):
        asked.append([str(part) for part in command])
        return 0 if uv_works or Path(command[0]).name != "uv" else 1

    monkeypatch.setattr(uv, "run_logged", run)
    monkeypatch.setattr(python_packages, "run_logged", run)
    installer = python_packages._Installer(layout, Progress(), uv.UvSettings())
    installer.install("numpy", ["numpy==2"])
    programs = [[Path(argument).name for argument in command[:3]] for command in asked]
    with_uv, with_pip = ["uv", "pip", "install"], ["python", "-m", "pip"]
    assert programs == ([with_uv] if uv_works else [with_uv, with_pip])
    assert all(command[-1] == "numpy==2" for command in asked)
    assert "--compile-bytecode" in asked[0], "pip compiles what it installs by itself"


def test_environment_keeps_what_the_caller_has_chosen(layout):
    caller = {"PATH": "/usr/bin", "ROS_DOMAIN_ID": "7", "PYTHONHOME": "/elsewhere"}
    result = environment.build_environment(layout, caller)
    assert result["ROS_DOMAIN_ID"] == "7"
    assert result["PATH"].split(os.pathsep) == [str(layout.venv / "bin"), "/usr/bin"]
    assert "PYTHONHOME" not in result


def test_entering_the_environment_twice_changes_nothing(layout):
    once = environment.build_environment(layout, {"PATH": "/usr/bin"})
    assert environment.build_environment(layout, once) == once


def test_sourced_ros_keeps_its_own_libraries(layout):
    (layout.venv / "pyvenv.cfg").write_text("include-system-site-packages = true")
    caller = {"PATH": "/usr/bin", "AMENT_PREFIX_PATH": "/opt/ros/some"}
    result = environment.build_environment(layout, caller)
    assert result["AMENT_PREFIX_PATH"] == "/opt/ros/some"
    assert "_ROS_WHEELS_BOOTSTRAP_COMPLETE" not in result


def test_complete_interpreter_is_preferred_to_an_older_one(layout, monkeypatch):
    known = {
        "a": python((3, 11), has_headers=False),
        "b": python((3, 13)),
        "c": python((3, 12)),
        "d": python((3, 9)),
    }
    monkeypatch.setattr(interpreter, "_candidates", lambda avoid: known)
    monkeypatch.setattr(interpreter, "probe", known.get)
    assert interpreter.find(layout.venv).version == (3, 12)


def test_missing_interpreter_names_what_was_found(layout, monkeypatch):
    monkeypatch.setattr(interpreter, "_candidates", lambda avoid: ["a"])
    monkeypatch.setattr(interpreter, "probe", lambda path: python((3, 9)))
    with pytest.raises(SetupError, match=r"found: 3\.9"):
        interpreter.find(layout.venv)


def test_shim_that_does_not_run_is_no_interpreter(tmp_path):
    shim = tmp_path / "python3.12"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    assert interpreter.probe(shim) is None


def test_sourced_ros_of_an_old_python_is_refused(monkeypatch):
    monkeypatch.setenv("ROS_DISTRO", "humble")
    monkeypatch.setenv("AMENT_PREFIX_PATH", "/opt/ros/humble")
    monkeypatch.setattr(ros_source, "probe", lambda path: python((3, 10), has_rclpy=True))
    with pytest.raises(SetupError, match=r"humble runs on Python 3\.10"):
        ros_source.sourced_ros()


def test_without_a_sourced_ros_the_wheels_are_used(monkeypatch):
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    assert ros_source.sourced_ros() is None


def test_lacking_the_right_to_install_gives_one_command(layout, monkeypatch):
    monkeypatch.setattr(system_packages.shutil, "which", lambda name: "/usr/bin/" + name)
    monkeypatch.setattr(system_packages.os, "geteuid", lambda: 1000)
    with pytest.raises(SetupError) as caught:
        system_packages.install(["libegl1", "libgl1"], layout, Progress())
    assert "sudo apt-get install -y --no-install-recommends libegl1 libgl1" in caught.value.remedy


@pytest.mark.parametrize(
    ("log", "says"),
    [
        ("WARNING: Retrying after NewConnectionError\nERROR: No matching", "Check the network"),
        ("ERROR: No matching distribution found for torch==2.13.0", "no such version"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
    ],
)
def test_failed_installation_names_its_cause(layout, monkeypatch, log, says):
    def fail(command, *, log_file, progress):
        log_file.parent.mkdir(parents=True, exist_ok=True)
        log_file.write_text(log)
        return 1

    monkeypatch.setattr(python_packages, "run_logged", fail)
    with pytest.raises(SetupError) as caught:
        python_packages._pip(layout, Progress(), "python-packages", ["numpy"])
    assert says in caught.value.remedy
    assert "python-packages.log" in str(caught.value)


def test_output_of_a_step_is_in_its_log(tmp_path):
    log_file = tmp_path / "logs" / "step.log"
    command = ["sh", "-c", "echo out; echo err >&2; exit 3"]
    assert run_logged(command, log_file=log_file, progress=Progress()) == 3
    assert {"out", "err"} <= set(log_file.read_text().splitlines())


@pytest.mark.parametrize("folder", ["plain", "a folder", "it's (1)"])
def test_the_built_workspace_is_recorded_wherever_it_lies(tmp_path, folder):
    layout = Layout(tmp_path / folder)
    layout.python.parent.mkdir(parents=True)
    layout.python.symlink_to(sys.executable)
    layout.install.mkdir(parents=True)
    # As colcon writes it: the interpreter is called without quotes.
    (layout.install / "local_setup.bash").write_text(
        'export AMENT_PREFIX_PATH="$($COLCON_PYTHON_EXECUTABLE -c "print(1)"):$PWD"'
    )
    environment.record_workspace(layout)
    recorded = environment.recorded_workspace(layout)
    assert recorded["AMENT_PREFIX_PATH"] == ["1", str(layout.python.parent)]


@pytest.mark.parametrize("script", ["true", "exit 3", "echo no such python >&2; false"])
def test_a_workspace_that_names_no_package_is_not_recorded(layout, script):
    layout.python.parent.mkdir(parents=True)
    layout.install.mkdir(parents=True)
    (layout.install / "local_setup.bash").write_text(script)
    with pytest.raises(SetupError, match="names no package"):
        environment.record_workspace(layout)
    assert environment.recorded_workspace(layout) == {}
