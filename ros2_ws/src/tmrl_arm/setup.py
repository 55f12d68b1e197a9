"""Packaging of tmrl_arm for colcon."""

from setuptools import setup

setup(
    name="tmrl_arm",
    version="0.2.0",
    packages=["tmrl_arm", "tmrl_arm.franka", "tmrl_arm.interbotix", "tmrl_arm.testing"],
    package_data={"tmrl_arm": ["py.typed"], "tmrl_arm.testing": ["*.lock"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/tmrl_arm"]),
        ("share/tmrl_arm", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=True,
    maintainer="TMRL stack maintainers",
    maintainer_email="maintainers@tmrl-stack.org",
    description="One driver interface to every arm, the node that hosts it, and the drivers",
    license="Apache-2.0",
    entry_points={
        "console_scripts": ["arm = tmrl_arm.node:main"],
        "tmrl.arm_drivers": [
            "franky = tmrl_arm.franka.description:DESCRIPTION",
            "interbotix = tmrl_arm.interbotix.description:DESCRIPTION",
            "loopback = tmrl_arm.loopback:DESCRIPTION",
        ],
    },
)
