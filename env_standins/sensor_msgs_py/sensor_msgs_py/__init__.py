"""What depthlm_ros calls of sensor_msgs_py, without it (see env_standins/README.md)."""
