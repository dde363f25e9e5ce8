# Pacing (l7/tcp/pacing.h). No RFC says when: RFC 9002 section 7.7 has the same rule for QUIC. The handshake makes a round trip of
# 100 ms; a window of 12000 in slow start is sent at 24000 bytes in each, a segment of 1000 every 4.17 ms.

macro PACED
  option pacing on
  use ESTABLISHED

macro PACED-FLIGHT
  option pacing on
  use FLIGHT

macro FLIGHT
  use ESTABLISHED
  write 20000
  > . 1:1001(1000) ack 1
  > . 1001:2001(1000) ack 1
  > . 2001:3001(1000) ack 1
  > . 3001:4001(1000) ack 1
  > . 4001:5001(1000) ack 1
  > . 5001:6001(1000) ack 1
  > . 6001:7001(1000) ack 1
  > . 7001:8001(1000) ack 1
  > . 8001:9001(1000) ack 1
  > . 9001:10001(1000) ack 1

# Into an empty network an initial window goes at once (RFC 6928), each time.
story paced_an_initial_window_does_not_wait
  use PACED
  write 5000
  > . 1:1001(1000) ack 1
  > . 1001:2001(1000) ack 1
  > . 2001:3001(1000) ack 1
  > . 3001:4001(1000) ack 1
  > P. 4001:5001(1000) ack 1
  +0.1 < . 1(0) ack 5001
  write 10000
  > . 5001:6001(1000) ack 1
  > . 6001:7001(1000) ack 1
  > . 7001:8001(1000) ack 1
  > . 8001:9001(1000) ack 1
  > . 9001:10001(1000) ack 1
  > . 10001:11001(1000) ack 1
  > . 11001:12001(1000) ack 1
  > . 12001:13001(1000) ack 1
  > . 13001:14001(1000) ack 1
  > P. 14001:15001(1000) ack 1
  count paced 0

# What an ACK allows is spread. The first has the credit of a millisecond.
story paced_segments_wait_for_their_turn
  use PACED-FLIGHT
  +0.1 < . 1(0) ack 2001
  > . 10001:11001(1000) ack 1
  +0.003~0.0035 > . 11001:12001(1000) ack 1
  +0.0038~0.0046 > . 12001:13001(1000) ack 1
  +0.0038~0.0046 > . 13001:14001(1000) ack 1
  count paced 3
  +0.05 nothing

story not_paced_segments_follow_the_ack
  use FLIGHT
  +0.1 < . 1(0) ack 2001
  > . 10001:11001(1000) ack 1
  > . 11001:12001(1000) ack 1
  > . 12001:13001(1000) ack 1
  > . 13001:14001(1000) ack 1
  count paced 0

# Timers are late by up to a tick of 131 us; at a round trip of 10 ms the credit is 2.4 segments.
story paced_credit_is_bounded
  option pacing on
  use SYN-RECEIVED
  +0.01 < . 1:1(0) ack 1 win 20000
  write 20000
  > . 1:1001(1000) ack 1
  > . 1001:2001(1000) ack 1
  > . 2001:3001(1000) ack 1
  > . 3001:4001(1000) ack 1
  > . 4001:5001(1000) ack 1
  > . 5001:6001(1000) ack 1
  > . 6001:7001(1000) ack 1
  > . 7001:8001(1000) ack 1
  > . 8001:9001(1000) ack 1
  > . 9001:10001(1000) ack 1
  +0.01 < . 1(0) ack 2001
  > . 10001:11001(1000) ack 1
  > . 11001:12001(1000) ack 1
  > . 12001:13001(1000) ack 1
  count paced 1
  +0.0002~0.0005 > . 13001:14001(1000) ack 1

# Where a device or software cuts, two segments at least leave together.
story paced_trains_are_short
  option offload 16
  use PACED
  write 20000
  > . 1:10001(10000) ack 1
  +0.1 < . 1(0) ack 2001
  > . 10001:12001(2000) ack 1
  +0.007~0.0078 > . 12001:14001(2000) ack 1

# ... and what the rate sends in a millisecond: at 5 ms and a window of 18000 seven segments.
story paced_trains_grow_with_the_rate
  option offload 16
  option pacing on
  use SYN-RECEIVED
  +0.005 < . 1:1(0) ack 1 win 60000
  write 40000
  > . 1:10001(10000) ack 1
  +0.005 < . 1(0) ack 8001
  > . 10001:17001(7000) ack 1
  > . 17001:24001(7000) ack 1
  +0.0009~0.0012 > . 24001:26001(2000) ack 1

# A round trip below a millisecond is not paced.
story paced_not_on_short_paths
  option pacing on
  use SYN-RECEIVED
  +0.0009 < . 1:1(0) ack 1 win 20000
  write 20000
  > . 1:1001(1000) ack 1
  > . 1001:2001(1000) ack 1
  > . 2001:3001(1000) ack 1
  > . 3001:4001(1000) ack 1
  > . 4001:5001(1000) ack 1
  > . 5001:6001(1000) ack 1
  > . 6001:7001(1000) ack 1
  > . 7001:8001(1000) ack 1
  > . 8001:9001(1000) ack 1
  > . 9001:10001(1000) ack 1
  +0.0009 < . 1(0) ack 2001
  > . 10001:11001(1000) ack 1
  > . 11001:12001(1000) ack 1
  > . 12001:13001(1000) ack 1
  > . 13001:14001(1000) ack 1
  count paced 0

# ... even where delayed ACKs make the smoothed one long.
story paced_not_on_short_paths_with_delayed_acks
  option pacing on
  use SYN-RECEIVED
  +0.0009 < . 1:1(0) ack 1 win 20000
  write 10
  > P. 1:11(10) ack 1
  +0.04 < . 1(0) ack 11
  write 10
  > P. 11:21(10) ack 1
  +0.04 < . 1(0) ack 21
  write 20000
  > . 21:1021(1000) ack 1
  > . 1021:2021(1000) ack 1
  > . 2021:3021(1000) ack 1
  > . 3021:4021(1000) ack 1
  > . 4021:5021(1000) ack 1
  > . 5021:6021(1000) ack 1
  > . 6021:7021(1000) ack 1
  > . 7021:8021(1000) ack 1
  > . 8021:9021(1000) ack 1
  > . 9021:10021(1000) ack 1
  +0.0009 < . 1(0) ack 2021
  > . 10021:11021(1000) ack 1
  > . 11021:12021(1000) ack 1
  > . 12021:13021(1000) ack 1
  > . 13021:14021(1000) ack 1
  count paced 0

# The first segment of a recovery goes at once, though others wait; those that follow it wait, too.
story paced_recovery_begins_at_once
  option congestion cubic
  option offload 16
  option pacing on
  use SYN-RECEIVED
  +0.1 < . 1:1(0) ack 1 win 60000
  write 40000
  > . 1:10001(10000) ack 1
  +0.1 < . 1(0) ack 10001
  > . 10001:20001(10000) ack 1
  +0.024~0.0245 > . 20001:22001(2000) ack 1
  +0.0045~0.0055 > . 22001:24001(2000) ack 1
  +0.0045~0.0055 > . 24001:26001(2000) ack 1
  +0.001 < . 1(0) ack 10001 <sack 13001:26001>
  > . 10001:11001(1000) ack 1
  +0.0078~0.0092 > . 11001:12001(1000) ack 1
  +0.0042~0.005 > . 12001:13001(1000) ack 1
  ssthresh 14000

# A window of ten segments could go at once: it is not held back.
story paced_not_in_a_small_window
  use PACED-FLIGHT
  +0.01 < . 1(0) ack 1 <sack 3001:10001>
  > . 1:1001(1000) ack 1
  > . 1001:2001(1000) ack 1
  > . 2001:3001(1000) ack 1
  > . 10001:11001(1000) ack 1
  > . 11001:12001(1000) ack 1
  cwnd 5000
  count paced 0

# ACKs, FINs without bytes and resets never wait.
story paced_acks_do_not_wait
  use PACED-FLIGHT
  +0.1 < . 1(0) ack 2001
  > . 10001:11001(1000) ack 1
  < . 1:1001(1000) ack 2001
  < . 1001:2001(1000) ack 2001
  > . 11001(0) ack 2001
  +0.003~0.0035 > . 11001:12001(1000) ack 2001
  +0.0038~0.0046 > . 12001:13001(1000) ack 2001
  +0.0038~0.0046 > . 13001:14001(1000) ack 2001

story paced_fin_does_not_wait
  use PACED
  write 10000
  > . 1:1001(1000) ack 1
  > . 1001:2001(1000) ack 1
  > . 2001:3001(1000) ack 1
  > . 3001:4001(1000) ack 1
  > . 4001:5001(1000) ack 1
  > . 5001:6001(1000) ack 1
  > . 6001:7001(1000) ack 1
  > . 7001:8001(1000) ack 1
  > . 8001:9001(1000) ack 1
  > P. 9001:10001(1000) ack 1
  +0.001 finish
  > F. 10001(0) ack 1
  count paced 0

story paced_reset_does_not_wait
  use PACED-FLIGHT
  +0.1 < . 1(0) ack 2001
  > . 10001:11001(1000) ack 1
  abort
  > R. 11001(0) ack 1
  +1 nothing
