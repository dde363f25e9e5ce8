# Congestion control as it shows from outside: RFC 5681, RFC 6928, RFC 3168. NewReno unless a story says otherwise.

# RFC 6928 section 2: min(10 segments, max(2 segments, 14600)).
story the_initial_window
  use ESTABLISHED
  cwnd 10000

story the_initial_window_of_large_segments
  option mss 8000
  listen
  < S 0:0(0) win 20000 <mss 8000>
  > S. 0:0(0) ack 1 <mss 8000>
  +0.1 < . 1(0) ack 1
  cwnd 16000

# RFC 5681 section 3.1: slow start: one segment for each segment acknowledged, while the window is the limit.
story slow_start
  use ESTABLISHED
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
  +0.1 < . 1(0) ack 1001
  cwnd 11000
  < . 1(0) ack 2001
  cwnd 12000
  write 6000
  > . 10001:11001(1000) ack 1
  > . 11001:12001(1000) ack 1
  > . 12001:13001(1000) ack 1
  > . 13001:14001(1000) ack 1
  < . 1(0) ack 3001
  > . 14001:15001(1000) ack 1
  > P. 15001:16001(1000) ack 1
  cwnd 13000

# RFC 7661, RFC 5681 section 3.1: a window that is not used does not grow.
story an_unused_window_does_not_grow
  use ESTABLISHED
  write 1000
  > P. 1:1001(1000) ack 1
  +0.1 < . 1(0) ack 1001
  write 1000
  > P. 1001:2001(1000) ack 1
  +0.1 < . 1(0) ack 2001
  cwnd 10000

# RFC 5681 section 4.1: after more than an RTO of silence at most the initial window.
story idle_restarts_the_window
  use ESTABLISHED
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
  +0.1 < . 1(0) ack 5001
  +0.01 < . 1(0) ack 10001
  cwnd 15000
  +5 write 1000
  > P. 10001:11001(1000) ack 1
  cwnd 10000

# RFC 9438 section 4.6: CUBIC gives up less than half.
story cubic_reduces_by_three_tenths
  option congestion cubic
  use ESTABLISHED
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
  +0.1 < . 1(0) ack 1 <sack 1001:10001>
  > . 1:1001(1000) ack 1
  ssthresh 7000
  +0.1 < . 1(0) ack 10001
  cwnd 7000

# ---- ECN (RFC 3168)

macro ESTABLISHED-ECN
  option ecn on
  listen
  < SEW 0:0(0) win 20000 <mss 1000,sackOK>
  > SE. 0:0(0) ack 1 ecn no <mss 1000,sackOK>
  +0.1 < . 1(0) ack 1 win 20000
  state ESTABLISHED

# Section 6.1.1: asked with ECE and CWR, agreed with ECE; neither segment is ECT.
story ecn_of_a_passive_open
  use ESTABLISHED-ECN
  write 1000
  > P. 1:1001(1000) ack 1 ecn ect0

story ecn_of_an_active_open
  option ecn on
  open
  > SEW 0:0(0) ecn no <mss 1000,sackOK>
  +0.1 < SE. 0:0(0) ack 1 win 20000 <mss 1000,sackOK>
  > . 1:1(0) ack 1 ecn no
  write 1000
  > P. 1:1001(1000) ack 1 ecn ect0

story ecn_refused_by_the_peer
  option ecn on
  open
  > SEW 0:0(0) ecn no <mss 1000,sackOK>
  +0.1 < S. 0:0(0) ack 1 win 20000 <mss 1000,sackOK>
  > . 1:1(0) ack 1
  write 1000
  > P. 1:1001(1000) ack 1 ecn no

# A SYN,ACK with ECE and CWR is a reflection of broken hosts, not an agreement.
story ecn_reflected_is_refused
  option ecn on
  open
  > SEW 0:0(0) <mss 1000,sackOK>
  +0.1 < SEW. 0:0(0) ack 1 win 20000 <mss 1000,sackOK>
  > . 1:1(0) ack 1
  write 1000
  > P. 1:1001(1000) ack 1 ecn no

story ecn_not_ours
  listen
  < SEW 0:0(0) win 20000 <mss 1000,sackOK>
  > S. 0:0(0) ack 1 <mss 1000,sackOK>

# Section 6.1.1.1: a SYN that was lost goes without.
story ecn_is_given_up_after_a_lost_syn
  option ecn on
  open
  > SEW 0:0(0) <mss 1000,sackOK>
  +1 > S 0:0(0) <mss 1000,sackOK>

# Section 6.1.3: CE is echoed in every ACK until CWR.
story congestion_is_echoed_until_cwr
  use ESTABLISHED-ECN
  < . 1:1001(1000) ack 1 ecn ce
  > E. 1:1(0) ack 1001
  < . 1001:2001(1000) ack 1 ecn ect0
  < . 2001:3001(1000) ack 1 ecn ect0
  > E. 1:1(0) ack 3001
  < WP. 3001:4001(1000) ack 1 ecn ect0
  +0.04 > . 1:1(0) ack 4001

# Section 6.1.2: the window is halved once per round trip, and CWR is said once.
story an_echo_halves_the_window_once
  use ESTABLISHED-ECN
  write 4000
  > . 1:1001(1000) ack 1 ecn ect0
  > . 1001:2001(1000) ack 1 ecn ect0
  > . 2001:3001(1000) ack 1 ecn ect0
  > P. 3001:4001(1000) ack 1 ecn ect0
  +0.1 < E. 1(0) ack 1001
  count ecn_reductions 1
  < E. 1(0) ack 2001
  count ecn_reductions 1
  ssthresh 2000
  < E. 1(0) ack 4001
  write 1000
  > WP. 4001:5001(1000) ack 1 ecn ect0
  +0.1 < . 1(0) ack 5001
  write 1000
  > P. 5001:6001(1000) ack 1 ecn ect0

# Section 6.1.5: what is sent again is not ECT; 6.1.4: neither are pure ACKs.
story retransmissions_and_acks_are_not_ect
  use ESTABLISHED-ECN
  write 1000
  > P. 1:1001(1000) ack 1 ecn ect0
  +0.3 > P. 1:1001(1000) ack 1 ecn no
  < P. 1:11(10) ack 1001
  +0.04 > . 1001(0) ack 11 ecn no
