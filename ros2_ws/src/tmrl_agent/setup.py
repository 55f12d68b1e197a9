"""Packaging of tmrl_agent for colcon."""

from setuptools import setup

setup(
    name="tmrl_agent",
    version="0.2.0",
    packages=["tmrl_agent", "tmrl_agent.journal"],
    package_data={"tmrl_agent": ["py.typed"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/tmrl_agent"]),
        ("share/tmrl_agent", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=True,
    maintainer="TMRL stack maintainers",
    maintainer_email="maintainers@tmrl-stack.org",
    description="Observes, asks the policy server, publishes chunks, journals transitions",
    license="Apache-2.0",
    entry_points={"console_scripts": ["agent = tmrl_agent.node:main"]},
)
