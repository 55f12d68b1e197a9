"""A WidowX 250 through the vendor's ROS driver."""
