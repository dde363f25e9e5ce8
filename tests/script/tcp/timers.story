# Timers: retransmission (RFC 6298), tail loss probes (RFC 8985 section 7), keepalive (RFC 9293 section 3.8.4), patience (3.8.3,
# RFC 5482), FIN-WAIT-2 and TIME-WAIT (3.10.8). The handshake's round trip of 100 ms makes an RTO of 300 ms (6298 section 2.2).

# ---- the handshake

# RFC 6298 section 2.1 and 5.5: 1 s, doubled each time; RFC 9293 section 3.8.3: a SYN is tried for three minutes.
story a_syn_is_repeated
  open
  > S 0:0(0) <mss 1000,sackOK>
  +1 > S 0:0(0) <mss 1000,sackOK>
  +2 > S 0:0(0) <mss 1000,sackOK>
  +4 > S 0:0(0) <mss 1000,sackOK>
  +8 > S 0:0(0) <mss 1000,sackOK>
  +16 > S 0:0(0) <mss 1000,sackOK>
  +32 > S 0:0(0) <mss 1000,sackOK>
  +60 > S 0:0(0) <mss 1000,sackOK>
  @179.5 state SYN-SENT
  @180.1 state CLOSED
  end timed_out
  events ended

story a_syn_ack_is_repeated
  use SYN-RECEIVED
  +1 > S. 0:0(0) ack 1 <mss 1000,sackOK>
  +2 > S. 0:0(0) ack 1 <mss 1000,sackOK>
  +4 > S. 0:0(0) ack 1 <mss 1000,sackOK>
  +0.1 < . 1(0) ack 1
  state ESTABLISHED
  deadline none

# RFC 6298 section 5.7: after a lost SYN the RTO is 3 s when data begins; RFC 5681 section 3.1: the window is one segment.
story after_a_lost_syn_begins_carefully
  open
  > S 0:0(0) <mss 1000,sackOK>
  +1 > S 0:0(0) <mss 1000,sackOK>
  +0.1 < S. 0:0(0) ack 1 win 20000 <mss 1000,sackOK>
  > . 1:1(0) ack 1
  rto 3000
  cwnd 1000
  write 2000
  > . 1:1001(1000) ack 1
  +0.1 < . 1(0) ack 1001
  > P. 1001:2001(1000) ack 1

story after_a_lost_syn_ack_begins_carefully
  use SYN-RECEIVED
  +1 > S. 0:0(0) ack 1 <mss 1000,sackOK>
  +0.1 < . 1(0) ack 1
  rto 3000
  cwnd 1000

# RFC 8985 section 7.2: without a round trip a probe goes after a second.
story a_probe_without_a_round_trip
  open
  > S 0:0(0) <mss 1000,sackOK>
  +1 > S 0:0(0) <mss 1000,sackOK>
  +0.1 < S. 0:0(0) ack 1 win 20000 <mss 1000,sackOK>
  > . 1:1(0) ack 1
  write 100
  > P. 1:101(100) ack 1
  +1 > P. 1:101(100) ack 1
  count tail_probes 1

# ---- retransmission

macro ESTABLISHED-WITHOUT-SACK
  option sack off
  listen
  < S 0:0(0) win 20000 <mss 1000>
  > S. 0:0(0) ack 1 <mss 1000>
  +0.1 < . 1(0) ack 1

# RFC 6298 section 2.2: SRTT + 4 RTTVAR.
story the_rto_of_the_first_round_trip
  use ESTABLISHED
  rto 300

# Section 2.4 wants a second at least; this stack has 200 ms (rtt.h says why).
story the_least_rto
  listen
  < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. 0:0(0) ack 1 <mss 1000,sackOK>
  +0.01 < . 1(0) ack 1
  rto 200

# Section 5.4, 5.5, 5.6: the earliest, doubled each time.
story a_timeout_repeats_and_doubles
  use ESTABLISHED-WITHOUT-SACK
  write 2000
  > . 1:1001(1000) ack 1
  > P. 1001:2001(1000) ack 1
  +0.3 > . 1:1001(1000) ack 1
  +0.6 > . 1:1001(1000) ack 1
  count timeouts 2
  cwnd 1000
  ssthresh 2000
  +0.1 < . 1(0) ack 1001
  > P. 1001:2001(1000) ack 1
  +0.1 < . 1(0) ack 2001
  deadline none

# Section 5.3: an ACK of new data restarts the timer.
story an_ack_restarts_the_timer
  use ESTABLISHED-WITHOUT-SACK
  write 2000
  > . 1:1001(1000) ack 1
  > P. 1001:2001(1000) ack 1
  +0.1 < . 1(0) ack 1001
  rto 250
  +0.25 > P. 1001:2001(1000) ack 1

# Section 3, Karn: what was sent twice measures nothing; section 5.7: the backed off RTO stays until a measurement.
story a_retransmission_measures_nothing
  use ESTABLISHED-WITHOUT-SACK
  write 1000
  > P. 1:1001(1000) ack 1
  +0.3 > P. 1:1001(1000) ack 1
  +0.01 < . 1(0) ack 1001
  write 1000
  > P. 1001:2001(1000) ack 1
  rto 300

# RFC 5681 section 3.1 (4): ssthresh is set once for repeated timeouts of the same segment.
story repeated_timeouts_reduce_once
  use ESTABLISHED-WITHOUT-SACK
  write 8000
  > . 1:1001(1000) ack 1
  > . 1001:2001(1000) ack 1
  > . 2001:3001(1000) ack 1
  > . 3001:4001(1000) ack 1
  > . 4001:5001(1000) ack 1
  > . 5001:6001(1000) ack 1
  > . 6001:7001(1000) ack 1
  > P. 7001:8001(1000) ack 1
  +0.3 > . 1:1001(1000) ack 1
  ssthresh 4000
  +0.6 > . 1:1001(1000) ack 1
  ssthresh 4000

story a_fin_is_repeated
  use ESTABLISHED-WITHOUT-SACK
  finish
  > F. 1:1(0) ack 1
  +0.3 > F. 1:1(0) ack 1
  +0.6 > F. 1:1(0) ack 1
  +0.1 < . 1(0) ack 2
  state FIN-WAIT-2

story a_fin_of_last_ack_is_repeated
  use ESTABLISHED-WITHOUT-SACK
  < F. 1(0) ack 1
  > . 1:1(0) ack 2
  finish
  > F. 1:1(0) ack 2
  +0.3 > F. 1:1(0) ack 2
  +0.1 < . 2(0) ack 2
  state CLOSED
  end finished

# The loss window is one full segment (RFC 5681 section 3.1): small ones go together.
story a_timeout_with_a_fin_behind_data
  use ESTABLISHED-WITHOUT-SACK
  write 100
  > P. 1:101(100) ack 1
  finish
  > F. 101:101(0) ack 1
  +0.3 > P. 1:101(100) ack 1
  > F. 101:101(0) ack 1
  +0.1 < . 1(0) ack 102
  state FIN-WAIT-2

# ---- tail loss probes

# RFC 8985 section 7.2: two round trips for more than a segment in flight; section 7.3: the last segment again.
story a_tail_probe_repeats_the_last_segment
  use ESTABLISHED
  write 2000
  > . 1:1001(1000) ack 1
  > P. 1001:2001(1000) ack 1
  +0.2 > P. 1001:2001(1000) ack 1
  count tail_probes 1
  count timeouts 0

# Section 7.3: one probe, then the RTO.
story after_a_probe_comes_the_timeout
  use ESTABLISHED
  write 2000
  > . 1:1001(1000) ack 1
  > P. 1001:2001(1000) ack 1
  +0.2 > P. 1001:2001(1000) ack 1
  +0.3 > . 1:1001(1000) ack 1
  count tail_probes 1
  count timeouts 1

# Section 7.2: a segment alone waits for a delayed ACK as well, but not beyond the RTO.
story a_probe_of_a_single_segment
  use ESTABLISHED
  write 100
  > P. 1:101(100) ack 1
  +0.3 > P. 1:101(100) ack 1
  count tail_probes 1
  count timeouts 0
  cwnd 10000

# Section 7.3: new data if there is any.
story a_probe_takes_new_data
  use ESTABLISHED
  < . 1(0) ack 1 win 2000
  write 3000
  > . 1:1001(1000) ack 1
  > . 1001:2001(1000) ack 1
  +0.05 < . 1(0) ack 1 win 3000
  > P. 2001:3001(1000) ack 1
  +0.2~0.26 > P. 2001:3001(1000) ack 1

# The probe's SACK shows what is missing (section 7.1); PRR sends what was delivered, no more (RFC 6937 section 3).
story a_probe_leads_to_recovery
  use ESTABLISHED
  write 3000
  > . 1:1001(1000) ack 1
  > . 1001:2001(1000) ack 1
  > P. 2001:3001(1000) ack 1
  +0.2 > P. 2001:3001(1000) ack 1
  +0.1 < . 1(0) ack 1 <sack 2001:3001>
  > . 1:1001(1000) ack 1
  +0.1 < . 1(0) ack 1001 <sack 2001:3001>
  > . 1001:2001(1000) ack 1
  +0.1 < . 1(0) ack 3001
  count timeouts 0
  deadline none

# Section 7.4.2: the original arrived too (D-SACK): nothing was lost, the window stays.
story a_probe_for_nothing_costs_nothing
  use ESTABLISHED
  write 2000
  > . 1:1001(1000) ack 1
  > P. 1001:2001(1000) ack 1
  +0.2 > P. 1001:2001(1000) ack 1
  +0.05 < . 1(0) ack 2001
  +0.05 < . 1(0) ack 2001 <sack 1001:2001>
  +1 nothing
  cwnd 10000

# Without SACK there is no probe (section 7.2 condition 1... RFC 8985 section 4).
story no_probe_without_sack
  use ESTABLISHED-WITHOUT-SACK
  write 2000
  > . 1:1001(1000) ack 1
  > P. 1001:2001(1000) ack 1
  +0.3 > . 1:1001(1000) ack 1
  count tail_probes 0

# ---- patience

# RFC 9293 section 3.8.3, RFC 5482: the user timeout.
story the_user_timeout_ends_it
  option user_timeout_ms 5000
  use ESTABLISHED-WITHOUT-SACK
  write 100
  > P. 1:101(100) ack 1
  +0.3 > P. 1:101(100) ack 1
  +0.6 > P. 1:101(100) ack 1
  +1.2 > P. 1:101(100) ack 1
  +2.4 > P. 1:101(100) ack 1
  @5.1 > R. 101:101(0) ack 1
  state CLOSED
  end timed_out
  events connected writable ended

story a_connections_own_user_timeout
  use ESTABLISHED-WITHOUT-SACK
  user_timeout 1
  write 100
  > P. 1:101(100) ack 1
  +0.3 > P. 1:101(100) ack 1
  +0.6 > P. 1:101(100) ack 1
  @1.1 > R. 101:101(0) ack 1
  end timed_out

# Data that is acknowledged now and then is progress.
story progress_restarts_the_user_timeout
  option user_timeout_ms 500
  use ESTABLISHED
  write 100
  > P. 1:101(100) ack 1
  +0.2 < . 1(0) ack 101
  write 100
  > P. 101:201(100) ack 1
  +0.2 < . 1(0) ack 201
  write 100
  > P. 201:301(100) ack 1
  +0.2 < . 1(0) ack 301
  +10 nothing
  state ESTABLISHED

# ---- keepalive

# RFC 9293 section 3.8.4: off unless asked for (MUST-25).
story no_keepalive_unasked
  use ESTABLISHED
  +100000 nothing
  state ESTABLISHED
  count keepalives 0

# An empty segment with the number before SND.NXT; no answer to any of several probes ends it (MUST-26: not to one).
story keepalive_ends_a_dead_connection
  option keepalive_idle_ms 10000
  option keepalive_interval_ms 5000
  option keepalive_probes 3
  use ESTABLISHED
  +10 > . 0:0(0) ack 1
  +5 > . 0:0(0) ack 1
  +5 > . 0:0(0) ack 1
  +5 > R. 1:1(0) ack 1
  state CLOSED
  end timed_out
  count keepalives 3

story an_answer_begins_keepalive_anew
  option keepalive_idle_ms 10000
  option keepalive_interval_ms 5000
  option keepalive_probes 2
  use ESTABLISHED
  +10 > . 0:0(0) ack 1
  +1 < . 1(0) ack 1
  +10 > . 0:0(0) ack 1
  +5 > . 0:0(0) ack 1
  +1 < . 1(0) ack 1
  +9 nothing
  state ESTABLISHED

# Data is a sign of life as well.
story data_puts_keepalive_off
  option keepalive_idle_ms 10000
  use ESTABLISHED
  +9 < P. 1:11(10) ack 1
  +0.04 > . 1:1(0) ack 11
  +9.9 nothing
  +0.06 > . 0:0(0) ack 11

story keepalive_of_one_connection
  use ESTABLISHED
  keepalive 2
  +2 > . 0:0(0) ack 1
  < . 1(0) ack 1
  keepalive 0
  +1000 nothing

# The peer's keepalive is answered (3.10.7.4 first).
story a_keepalive_of_the_peer_is_answered
  use ESTABLISHED
  +1 < . 0(0) ack 1
  > . 1:1(0) ack 1
  +1 < . 0:1(1) ack 1
  > . 1:1(0) ack 1 <*>

# ---- FIN-WAIT-2

# A half-closed connection may wait for ever; one that was closed waits for a minute.
story fin_wait_2_of_a_finished_side_waits
  use FIN-WAIT-2
  +100000 nothing
  state FIN-WAIT-2
  < P. 1:11(10) ack 2
  +0.04 > . 2:2(0) ack 11
  read 10

story fin_wait_2_of_a_closed_side_ends
  use ESTABLISHED
  close
  > F. 1:1(0) ack 1
  +0.1 < . 1(0) ack 2
  state FIN-WAIT-2
  +59.9 nothing
  state FIN-WAIT-2
  +0.2 nothing
  state CLOSED

story fin_wait_2_closed_later_ends
  use FIN-WAIT-2
  +1000 close
  +59.9 nothing
  state FIN-WAIT-2
  +0.2 nothing
  state CLOSED

# ---- TIME-WAIT

# 3.10.8: 2 MSL of 30 s each.
story time_wait_ends
  use TIME-WAIT
  +59.9 nothing
  state TIME-WAIT
  +0.2 nothing
  state CLOSED
  end finished
  deadline none

# 3.10.7.4 eighth: the peer's FIN again restarts it.
story a_fin_restarts_time_wait
  use TIME-WAIT
  +50 < F. 1(0) ack 2
  > . 2:2(0) ack 2 <*>
  +50 nothing
  state TIME-WAIT
  +10.1 nothing
  state CLOSED

# RFC 1337: a reset does not shorten it, old data does not lengthen it.
story nothing_else_moves_time_wait
  use TIME-WAIT
  +50 < R 2(0)
  < . 2(0) ack 2
  nothing
  +10.1 nothing
  state CLOSED

# Memory of TIME-WAIT: no buffers.
story time_wait_holds_no_buffers
  use TIME-WAIT
  buffers 0
