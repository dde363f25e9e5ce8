# Blind attacks (RFC 5961): challenge ACKs and how many; forged ICMP (RFC 5927); strange segments.

# Section 7: not more than an allowance of challenge ACKs a second (here 1000 for all connections of a worker).
story challenges_of_resets_are_limited
  use ESTABLISHED
  times 1500 < R 11(0)
  sent 1000
  count reset_ignored 1500
  count challenges_suppressed 500
  +1 < R 11(0)
  > . 1:1(0) ack 1
  state ESTABLISHED

story challenges_of_syns_are_limited
  use ESTABLISHED
  times 1500 < S 11(0) <mss 1000>
  sent 1000
  count challenges_suppressed 500
  state ESTABLISHED

story challenges_of_acks_are_limited
  use ESTABLISHED
  times 1500 < . 1(0) ack 500
  sent 1000
  count challenges_suppressed 500
  state ESTABLISHED

# Empty segments outside of the window could be answered for ever between two that disagree: limited as well.
story answers_to_empty_segments_are_limited
  use ESTABLISHED
  times 1500 < . 30001(0) ack 1
  sent 1000
  +1 < . 30001(0) ack 1
  > . 1:1(0) ack 1

# The challenge makes an honest peer send the exact number, and that ends it (section 3.2).
story an_honest_peer_answers_a_challenge
  use ESTABLISHED
  < R 11(0)
  > . 1:1(0) ack 1
  +0.1 < R 1(0)
  state CLOSED
  end reset

# Section 4.2: a peer that restarted sends a SYN; the challenge makes it reset.
story a_peer_that_restarted
  use ESTABLISHED
  +10 < S 700000(0) <mss 1000,sackOK>
  > . 1:1(0) ack 1
  < R 1(0)
  state CLOSED
  end reset

# Section 5.2: MAX.SND.WND is the limit of old ACKs.
story the_oldest_ack_that_is_not_challenged
  use ESTABLISHED
  < . 1(0) ack -19999
  nothing
  < . 1(0) ack -20000
  > . 1:1(0) ack 1

# All flags at once: RST counts first.
story all_flags_at_once
  use ESTABLISHED
  < SFRP.UEW 1(10) ack 1
  state CLOSED
  end reset

story all_flags_but_rst
  use ESTABLISHED
  < SFP.UEW 1(10) ack 1
  > . 1:1(0) ack 1
  state ESTABLISHED
  readable 0

story no_flags_at_all
  use ESTABLISHED
  < - 1(0)
  nothing
  state ESTABLISHED

# A window of the right edge exactly: the last byte is in, the next is not.
story the_last_byte_of_the_window
  use ESTABLISHED
  < . 20000(1) ack 1
  > . 1:1(0) ack 1 <sack 20000:20001>
  < . 20001(1) ack 1
  > . 1:1(0) ack 1 <sack 20000:20001>
  count outside_window 1

story a_fin_at_the_last_number_of_the_window
  use ESTABLISHED
  < F. 20000(0) ack 1
  > . 1:1(0) ack 1
  state ESTABLISHED

# A reset at the right edge is outside (section 3.2 (1)), at the last number inside (3).
story resets_at_the_right_edge
  use ESTABLISHED
  < R 20001(0)
  nothing
  < R 20000(0)
  > . 1:1(0) ack 1

# Options that are too short, too long, of length 0 and 1, unknown, repeated: read until the first that is malformed.
story malformed_options_of_a_syn
  option window_scale on
  listen
  < S 0:0(0) win 20000 <raw 0103020403>
  > S. 0:0(0) ack 1 <mss 1000>
  mss 536

story options_after_a_malformed_one_do_not_count
  listen
  < S 0:0(0) win 20000 <raw fd0004020402>
  > S. 0:0(0) ack 1 <mss 1000>

story options_after_the_end_do_not_count
  listen
  < S 0:0(0) win 20000 <raw 0004020204>
  > S. 0:0(0) ack 1 <mss 1000>

story unknown_options_are_skipped
  listen
  < S 0:0(0) win 20000 <raw fd04abcd0402020403e8>
  > S. 0:0(0) ack 1 <mss 1000,sackOK>
  mss 1000

# RFC 9293 section 3.7.1 and RFC 6691: an MSS of nothing, or of a few bytes, does not make segments of a few bytes.
story a_tiny_mss_is_raised
  listen
  < S 0:0(0) win 20000 <mss 1>
  > S. 0:0(0) ack 1 <mss 1000>
  mss 88

story a_large_mss_is_cut_to_ours
  listen
  < S 0:0(0) win 20000 <mss 9000>
  > S. 0:0(0) ack 1 <mss 1000>
  mss 1000

# ---- ICMP

# RFC 1191 section 6.4, RFC 8201 section 5.4: what was too large goes again at once, in smaller pieces.
story icmp_lowers_the_segment_size
  use ESTABLISHED
  write 2000
  > . 1:1001(1000) ack 1
  > P. 1001:2001(1000) ack 1
  +0.01 icmp mtu 640 seq 1
  > . 1:601(600) ack 1
  > . 601:1001(400) ack 1
  > . 1001:1601(600) ack 1
  > P. 1601:2001(400) ack 1
  mss 600
  count path_mtu_lowered 1
  cwnd 10000
  +0.1 < . 1(0) ack 2001
  write 1200
  > . 2001:2601(600) ack 1
  > P. 2601:3201(600) ack 1

# RFC 5927 section 4: only about something that is in flight.
story icmp_about_nothing_in_flight
  use ESTABLISHED
  icmp mtu 640 seq 1 refused
  write 1000
  > P. 1:1001(1000) ack 1
  icmp mtu 640 seq 1001 refused
  icmp mtu 640 seq 0 refused
  icmp mtu 640 seq 100000 refused
  mss 1000

# RFC 9293 section 3.9.2.2, RFC 1122 section 4.2.3.9: a hard error of a SYN ends it at once.
story icmp_ends_an_opening
  open
  > S 0:0(0) <mss 1000,sackOK>
  +0.01 icmp hard seq 0
  state CLOSED
  end unreachable
  events ended
  count unreachable_ended 1
  count unreachable_noted 0
  deadline none
  nothing

# RFC 5927 section 4: not one that quotes another segment; RFC 5461: what may pass by is left to the timers.
story icmp_of_a_moment_ends_nothing
  open
  > S 0:0(0) <mss 1000,sackOK>
  icmp hard seq 1 refused
  icmp soft seq 0 refused
  state SYN-SENT
  count unreachable_noted 2
  +1 > S 0:0(0) <mss 1000,sackOK>
  icmp hard seq 0
  end unreachable

# RFC 5927 section 5.2: once it is established nobody can end it so.
story icmp_ends_no_established_connection
  use ESTABLISHED
  write 1000
  > P. 1:1001(1000) ack 1
  icmp hard seq 1 refused
  icmp hard seq 0 refused
  state ESTABLISHED
  count unreachable_noted 2

story icmp_ends_no_passive_opening
  use SYN-RECEIVED
  icmp hard seq 0 refused
  state SYN-RECEIVED

# A larger MTU is no news; a tiny one is a lie (RFC 5927 section 7, RFC 8201 section 4).
story icmp_of_a_larger_mtu
  use ESTABLISHED
  write 1000
  > P. 1:1001(1000) ack 1
  icmp mtu 9000 seq 1 refused
  icmp mtu 1040 seq 1 refused
  mss 1000

story icmp_of_a_tiny_mtu
  use ESTABLISHED
  write 1000
  > P. 1:1001(1000) ack 1
  icmp mtu 60 seq 1
  > . 1:217(216) ack 1
  > . 217:433(216) ack 1
  > . 433:649(216) ack 1
  > . 649:865(216) ack 1
  > P. 865:1001(136) ack 1
  mss 216

story icmp_before_the_connection_is_established
  use SYN-RECEIVED
  icmp mtu 640 seq 0 refused
  mss 1000

# RFC 4821 section 7.7: after three timeouts in a row the path may be a black hole for large packets.
story a_black_hole_is_left_by_smaller_segments
  option sack off
  listen
  < S 0:0(0) win 20000 <mss 1000>
  > S. 0:0(0) ack 1 <mss 1000>
  +0.1 < . 1(0) ack 1
  write 1000
  > P. 1:1001(1000) ack 1
  +0.3 > P. 1:1001(1000) ack 1
  +0.6 > P. 1:1001(1000) ack 1
  +1.2 > . 1:537(536) ack 1
  count path_mtu_lowered 1
  mss 536
  +0.1 < . 1(0) ack 537
  > P. 537:1001(464) ack 1
