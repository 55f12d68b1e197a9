from setuptools import setup

PACKAGE = "tmrl_sim"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=[PACKAGE],
    package_data={PACKAGE: ["model/*.xml", "py.typed"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
    ],
    install_requires=["gymnasium", "mujoco==4.0.0", "numpy", "pillow", "tqdm"],
    zip_safe=False,
    maintainer="TMRL maintainers",
    maintainer_email="maintainers@tmrl-ros.org",
    description="A simulated WidowX 250 cell on MuJoCo.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "demonstrations = tmrl_sim.demonstrations:main",
            "sim = tmrl_sim.node:main",
        ],
    },
)
