from setuptools import setup

PACKAGE = "tmrl_sim"

setup(
    name=PACKAGE,
    version="0.2.0",
    packages=[PACKAGE],
    package_data={PACKAGE: ["py.typed"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
    ],
    install_requires=["numpy", "tmrl_cell"],
    zip_safe=False,
    maintainer="TMRL maintainers",
    maintainer_email="maintainers@tmrl-ros.org",
    description="The node around the simulated WidowX 250 cell.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "sim = tmrl_sim.node:main",
        ],
        "tmrl.arm_drivers": [
            "mujoco = tmrl_sim.description:DESCRIPTION",
        ],
    },
)
