# Name server and broker in one image. The binaries come from this checkout's build on a Debian 12 host:
#
#   cargo build --release
#   docker build -t rocketmq-rust .
#   docker run --rm --network host -v rocketmq-store:/home/rocketmq/store rocketmq-rust
#
# The default command runs both servers in one process. For two: `mqnamesrv`, and
# `mqbroker -n namesrv-host:9876 -c /path/broker.conf` with the file mounted.
# A broker tells its clients brokerIP1, by default the container's address: clients outside the container's network
# need --network host (as above) or a broker.conf with brokerIP1 set to the host's address.
FROM debian:bookworm-slim

# The same user and home as Java's image, so that volumes can be moved between the two.
RUN groupadd --gid 3000 rocketmq \
 && useradd --uid 3000 --gid 3000 --create-home rocketmq \
 && mkdir -p /home/rocketmq/store /home/rocketmq/logs \
 && chown -R rocketmq:rocketmq /home/rocketmq

COPY target/release/mqnamesrv target/release/mqbroker target/release/mqshutdown target/release/mqstore /usr/local/bin/
COPY conf /opt/rocketmq/conf
COPY LICENSE NOTICE /opt/rocketmq/
ENV ROCKETMQ_HOME=/opt/rocketmq

USER rocketmq
WORKDIR /home/rocketmq
VOLUME ["/home/rocketmq/store", "/home/rocketmq/logs"]

# 9876 name server; 10911 broker, 10909 the same without pull (fast port), 10912 replication
EXPOSE 9876 10909 10911 10912

STOPSIGNAL SIGTERM
CMD ["mqbroker", "--standalone"]
