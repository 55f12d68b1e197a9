"""Packaging of tmrl_success for colcon."""

from setuptools import setup

setup(
    name="tmrl_success",
    version="0.2.0",
    packages=["tmrl_success"],
    package_data={"tmrl_success": ["py.typed"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/tmrl_success"]),
        ("share/tmrl_success", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=True,
    maintainer="TMRL stack maintainers",
    maintainer_email="maintainers@tmrl-stack.org",
    description="Suggests which episodes succeeded, as their labels have taught it",
    license="Apache-2.0",
    entry_points={"console_scripts": ["success_head = tmrl_success.node:main"]},
)
