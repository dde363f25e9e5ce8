# Windows: zero windows and their probes (RFC 9293 section 3.8.6.1), silly windows on both sides (3.8.6.2), Nagle (3.7.4),
# delayed ACKs (RFC 1122 section 4.2.3.2, RFC 5681 section 4.2), window scale (RFC 7323 section 2). The RTO is 300 ms.

# ---- zero windows

# The first probe after the RTO, then exponentially; one byte of data.
story zero_window_is_probed
  use ESTABLISHED
  < . 1(0) ack 1 win 0
  write 100
  +0.3 > . 1:2(1) ack 1
  < . 1(0) ack 1 win 0
  +0.6 > . 1:2(1) ack 1
  < . 1(0) ack 1 win 0
  +1.2 > . 1:2(1) ack 1
  count window_probes 3
  < . 1(0) ack 2 win 20000
  > P. 2:101(99) ack 1
  < . 1(0) ack 101
  deadline none

# The probe's byte was thrown away with the window shut: it is sent again when it opens.
story the_byte_of_a_probe_is_sent_again
  use ESTABLISHED
  < . 1(0) ack 1 win 0
  write 1
  +0.3 > P. 1:2(1) ack 1
  +0.1 < . 1(0) ack 1 win 20000
  > P. 1:2(1) ack 1
  < . 1(0) ack 2
  deadline none

# A window that opens by itself ends the probing.
story an_opened_window_ends_probing
  use ESTABLISHED
  < . 1(0) ack 1 win 0
  write 100
  +0.1 < . 1(0) ack 1 win 20000
  > P. 1:101(100) ack 1
  +0.1 < . 1(0) ack 101
  +10 nothing
  count window_probes 0

# MUST-35: as long as probes are answered the connection stays, beyond any user timeout.
story answered_probes_keep_the_connection
  option user_timeout_ms 2000
  use ESTABLISHED
  < . 1(0) ack 1 win 0
  write 100
  +0.3 > . 1:2(1) ack 1
  < . 1(0) ack 1 win 0
  +0.6 > . 1:2(1) ack 1
  < . 1(0) ack 1 win 0
  +1.2 > . 1:2(1) ack 1
  < . 1(0) ack 1 win 0
  +1.9 < . 1(0) ack 1 win 0
  +0.5 > . 1:2(1) ack 1
  < . 1(0) ack 1 win 0
  state ESTABLISHED

# Probes that nobody answers end it, counted from when the first one was transmitted (RFC 5482 section 2).
story unanswered_probes_end_the_connection
  option user_timeout_ms 2000
  use ESTABLISHED
  < . 1(0) ack 1 win 0
  write 100
  +0.3 > . 1:2(1) ack 1
  +0.6 > . 1:2(1) ack 1
  +1.2 > . 1:2(1) ack 1
  +0.2 > R. 1:1(0) ack 1
  state CLOSED
  end timed_out

# Both windows are shut and both sides probe: the byte of a probe lies beyond the peer's window, and so would everything that
# bears the next number; what opens our window must be acceptable (section 3.10.7.4, first).
story a_window_update_between_two_shut_windows
  option receive_buffer 4000
  listen
  < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. 0:0(0) ack 1 win 4000 <mss 1000,sackOK>
  +0.1 < . 1(0) ack 1 win 0
  < . 1:2001(2000) ack 1 win 0
  > . 1(0) ack 2001 win 2000
  < . 2001:4001(2000) ack 1 win 0
  > . 1(0) ack 4001 win 0
  write 100
  +0.3 > . 1:2(1) ack 4001 win 0
  read 4000
  > . 1(0) ack 4001 win 4000

# Who has let go of a connection is not kept by a peer that only answers probes.
story answered_probes_do_not_keep_an_orphan
  option user_timeout_ms 2000
  use ESTABLISHED
  < . 1(0) ack 1 win 0
  write 100
  close
  +0.3 > . 1:2(1) ack 1
  < . 1(0) ack 1 win 0
  +0.6 > . 1:2(1) ack 1
  < . 1(0) ack 1 win 0
  +1.2 > . 1:2(1) ack 1
  < . 1(0) ack 1 win 0
  +0.2 > R. 1:1(0) ack 1
  state CLOSED

# The intervals grow to 60 s and no further (section 3.8.6.1; RFC 6298 section 2.5).
story probes_at_most_a_minute_apart
  use ESTABLISHED
  < . 1(0) ack 1 win 0
  write 100
  +0.3 > . 1:2(1) ack 1
  < . 1(0) ack 1
  +0.6 > . 1:2(1) ack 1
  < . 1(0) ack 1
  +1.2 > . 1:2(1) ack 1
  < . 1(0) ack 1
  +2.4 > . 1:2(1) ack 1
  < . 1(0) ack 1
  +4.8 > . 1:2(1) ack 1
  < . 1(0) ack 1
  +9.6 > . 1:2(1) ack 1
  < . 1(0) ack 1
  +19.2 > . 1:2(1) ack 1
  < . 1(0) ack 1
  +38.4 > . 1:2(1) ack 1
  < . 1(0) ack 1
  +60 > . 1:2(1) ack 1
  < . 1(0) ack 1
  +60 > . 1:2(1) ack 1

# A FIN waits behind a shut window like data, and is probed with.
story a_fin_behind_a_shut_window
  use ESTABLISHED
  < . 1(0) ack 1 win 0
  finish
  +0.3 > F. 1:1(0) ack 1
  < . 1(0) ack 2 win 0
  state FIN-WAIT-2

# A window that shuts with data in flight: what is acknowledged counts, the rest is probed.
story a_window_shuts_with_data_in_flight
  use ESTABLISHED
  write 3000
  > . 1:1001(1000) ack 1
  > . 1001:2001(1000) ack 1
  > P. 2001:3001(1000) ack 1
  +0.1 < . 1(0) ack 2001 win 0
  +0.2~0.5 > . 2001:2002(1) ack 1
  +0.1 < . 1(0) ack 3001 win 20000
  deadline none

# MUST-34: a right edge that moves back: what is in flight stays, nothing new is sent beyond it.
story a_right_edge_moves_back
  use ESTABLISHED
  write 5000
  > . 1:1001(1000) ack 1
  > . 1001:2001(1000) ack 1
  > . 2001:3001(1000) ack 1
  > . 3001:4001(1000) ack 1
  > P. 4001:5001(1000) ack 1
  +0.1 < . 1(0) ack 1001 win 2000
  write 3000
  nothing
  +0.01 < . 1(0) ack 5001 win 2000
  > . 5001:6001(1000) ack 1
  > . 6001:7001(1000) ack 1

# 3.10.7.4 fifth: an older segment does not set the window (SND.WL1, SND.WL2).
story an_old_segment_does_not_set_the_window
  use ESTABLISHED
  < P. 1:11(10) ack 1 win 9000
  < P. 11:21(10) ack 1 win 8000
  peer_window 8000
  < . 11(0) ack 1 win 700
  > . 1:1(0) ack 21
  peer_window 8000

# ---- our window

# MUST-34, SHLD-14: the edge offered never moves back; reading a little does not open it.
story our_window_shuts_and_opens
  option receive_buffer 4000
  use ESTABLISHED-SMALL
  < . 1:1001(1000) ack 1
  < . 1001:2001(1000) ack 1
  > . 1:1(0) ack 2001 win 2000
  < . 2001:3001(1000) ack 1
  < P. 3001:4001(1000) ack 1
  > . 1:1(0) ack 4001 win 0
  < . 4001:4002(1) ack 1
  > . 1:1(0) ack 4001 win 0
  read 999
  +0.1 nothing
  read 1
  nothing
  < . 4001:4002(1) ack 1
  > . 1:1(0) ack 4001 win 1000
  read 2000
  > . 1:1(0) ack 4001 win 3000
  read 1000

macro ESTABLISHED-SMALL
  listen
  < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. 0:0(0) ack 1 win 4000 <mss 1000,sackOK>
  +0.1 < . 1(0) ack 1 win 20000

# A probe of our shut window brings the ACK, its byte is not taken (3.8.6.1, 3.10.7.4 first).
story probes_of_our_shut_window_are_answered
  option receive_buffer 4000
  use ESTABLISHED-SMALL
  < . 1:2001(2000) ack 1
  > . 1:1(0) ack 2001 win 2000
  < . 2001:4001(2000) ack 1
  > . 1:1(0) ack 4001 win 0
  +1 < . 4001:4002(1) ack 1
  > . 1:1(0) ack 4001 win 0
  +1 < . 4001:4002(1) ack 1
  > . 1:1(0) ack 4001 win 0
  readable 4000

# With the window shut an ACK of the right number still counts, as does a reset (3.10.7.4 first).
story acks_count_while_our_window_is_shut
  option receive_buffer 4000
  use ESTABLISHED-SMALL
  < . 1:2001(2000) ack 1
  > . 1:1(0) ack 2001 win 2000
  < . 2001:4001(2000) ack 1
  > . 1:1(0) ack 4001 win 0
  write 500
  > P. 1:501(500) ack 4001
  +0.01 < . 4001(0) ack 501
  +2 nothing
  < R 4001(0)
  state CLOSED
  end reset

# ---- silly windows, sender (3.8.6.2.1)

# Less than a segment, less than half the largest window, less than all that waits: held; sent when the override timer fires.
story a_small_window_is_not_filled
  use ESTABLISHED
  < . 1(0) ack 1 win 300
  write 1000
  +0.2 nothing
  +0.1 > . 1:301(300) ack 1

# All that waits fits: sent (2).
story all_that_waits_fits_a_small_window
  use ESTABLISHED
  < . 1(0) ack 1 win 300
  write 300
  > P. 1:301(300) ack 1

# Half of the largest window ever offered: sent (3).
story half_of_a_small_window_is_enough
  listen
  < S 0:0(0) win 800 <mss 1000,sackOK>
  > S. 0:0(0) ack 1 <mss 1000,sackOK>
  +0.1 < . 1(0) ack 1 win 400
  write 1000
  > . 1:401(400) ack 1

# ---- Nagle

story nagle_holds_a_second_small_segment
  use ESTABLISHED
  write 100
  > P. 1:101(100) ack 1
  write 100
  write 100
  nothing
  +0.1 < . 1(0) ack 101
  > P. 101:301(200) ack 1

story nagle_lets_full_segments_go
  use ESTABLISHED
  write 100
  > P. 1:101(100) ack 1
  write 950
  nothing
  write 100
  > . 101:1101(1000) ack 1
  +0.1 < . 1(0) ack 1101
  > P. 1101:1151(50) ack 1

story nagle_off
  option nagle off
  use ESTABLISHED
  write 100
  > P. 1:101(100) ack 1
  write 100
  > P. 101:201(100) ack 1

story nagle_switched_off_later
  use ESTABLISHED
  write 100
  > P. 1:101(100) ack 1
  write 100
  nothing
  nagle off
  > P. 101:201(100) ack 1

story a_fin_takes_what_nagle_held
  use ESTABLISHED
  write 100
  > P. 1:101(100) ack 1
  write 100
  nothing
  finish
  > FP. 101:201(100) ack 1

# ---- delayed ACKs

story one_segment_is_acknowledged_late
  use ESTABLISHED
  < P. 1:1001(1000) ack 1
  +0.04 > . 1:1(0) ack 1001

story every_second_segment_is_acknowledged_at_once
  use ESTABLISHED
  < . 1:1001(1000) ack 1
  < . 1001:2001(1000) ack 1
  > . 1:1(0) ack 2001
  < . 2001:3001(1000) ack 1
  +0.01 < . 3001:4001(1000) ack 1
  > . 1:1(0) ack 4001

# RFC 9293 section 3.8.6.3: under half a second.
story the_delay_of_an_ack_is_set
  option delayed_ack_ms 200
  use ESTABLISHED
  < P. 1:101(100) ack 1
  +0.199 nothing
  +0.001 > . 1:1(0) ack 101

# Data of ours takes the ACK along.
story data_takes_the_ack_along
  use ESTABLISHED
  < P. 1:101(100) ack 1
  +0.01 write 50
  > P. 1:51(50) ack 101
  +0.1 < . 101(0) ack 51
  +0.2 nothing

# ---- window scale (RFC 7323)

# Section 2.3: the least shift that describes the buffer; a SYN's own window is never scaled (2.2).
story window_scale_both_ways
  option window_scale on
  option receive_buffer 1000000
  listen
  < S 0:0(0) win 60000 <mss 1000,sackOK,wscale 7>
  > S. 0:0(0) ack 1 win 65535 <mss 1000,sackOK,wscale 4>
  peer_window 60000
  +0.1 < . 1(0) ack 1 win 100
  peer_window 12800
  < . 1:1001(1000) ack 1
  < . 1001:2001(1000) ack 1
  > . 1:1(0) ack 2001 win 62375

# Section 2.2: both or neither.
story window_scale_of_one_side_is_none
  option window_scale on
  option receive_buffer 1000000
  listen
  < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. 0:0(0) ack 1 win 65535 <mss 1000,sackOK>
  +0.1 < . 1(0) ack 1 win 100
  peer_window 100

story window_scale_not_ours
  listen
  < S 0:0(0) win 20000 <mss 1000,sackOK,wscale 7>
  > S. 0:0(0) ack 1 win 20000 <mss 1000,sackOK>
  +0.1 < . 1(0) ack 1 win 100
  peer_window 100

# Section 2.3: more than 14 counts as 14.
story window_scale_of_fifteen_is_fourteen
  option window_scale on
  listen
  < S 0:0(0) win 20000 <mss 1000,sackOK,wscale 15>
  > S. 0:0(0) ack 1 win 20000 <mss 1000,sackOK,wscale 0>
  +0.1 < . 1(0) ack 1 win 1
  peer_window 16384

story window_scale_zero_counts_as_offered
  option window_scale on
  option receive_buffer 1000000
  listen
  < S 0:0(0) win 20000 <mss 1000,sackOK,wscale 0>
  > S. 0:0(0) ack 1 win 65535 <mss 1000,sackOK,wscale 4>
  +0.1 < . 1(0) ack 1 win 100
  peer_window 100
  < . 1:1001(1000) ack 1
  < . 1001:2001(1000) ack 1
  > . 1:1(0) ack 2001 win 62375

story window_scale_of_an_active_open
  option window_scale on
  option receive_buffer 1000000
  open
  > S 0:0(0) win 65535 <mss 1000,sackOK,wscale 4>
  +0.1 < S. 0:0(0) ack 1 win 30000 <mss 1000,sackOK,wscale 3>
  > . 1:1(0) ack 1 win 62500
  peer_window 30000
  < . 1(0) ack 1 win 30000
  peer_window 240000

# ---- bounds of memory

story the_send_buffer_is_full
  option send_buffer 5000
  use ESTABLISHED
  write 6000 takes 5000
  > . 1:1001(1000) ack 1
  > . 1001:2001(1000) ack 1
  > . 2001:3001(1000) ack 1
  > . 3001:4001(1000) ack 1
  > P. 4001:5001(1000) ack 1
  writable 0
  events
  +0.1 < . 1(0) ack 2001
  writable 2000
  events writable

# Segmentation by a device: a piece of several segments, never beyond window or congestion window.
story offload_sends_pieces_of_several_segments
  option offload 60000
  use ESTABLISHED
  write 30000
  > . 1:10001(10000) ack 1
  +0.1 < . 1(0) ack 10001 win 3500
  > . 10001:13001(3000) ack 1
