# Opening and closing by both sides at once, half closes, aborts, and what follows TIME-WAIT.

# ---- simultaneous open (RFC 9293 section 3.5, figure 7)

story simultaneous_open
  use SYN-SENT
  +0.05 < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. 0:0(0) ack 1 <mss 1000,sackOK>
  state SYN-RECEIVED
  +0.05 < S. 0:0(0) ack 1 win 20000 <mss 1000,sackOK>
  > . 1:1(0) ack 1 <*>
  +0.05 < . 1(0) ack 1
  state ESTABLISHED
  events connected writable
  write 10
  > P. 1:11(10) ack 1

# The peer's ACK comes without SYN: it saw our SYN,ACK.
story simultaneous_open_with_a_plain_ack
  use SYN-SENT
  +0.05 < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. 0:0(0) ack 1 <mss 1000,sackOK>
  +0.05 < . 1(0) ack 1
  state ESTABLISHED

story simultaneous_open_repeats_its_syn_ack
  use SYN-SENT
  +0.05 < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. 0:0(0) ack 1 <mss 1000,sackOK>
  +0.9~3.1 > S. 0:0(0) ack 1 <mss 1000,sackOK>
  +0.05 < . 1(0) ack 1
  state ESTABLISHED

# ---- simultaneous close (section 3.6, figure 13)

story simultaneous_close
  use ESTABLISHED
  finish
  > F. 1:1(0) ack 1
  < F. 1(0) ack 1
  > . 2:2(0) ack 2
  state CLOSING
  +0.1 < . 2(0) ack 2
  state TIME-WAIT

story simultaneous_close_with_data
  use ESTABLISHED
  write 100
  > P. 1:101(100) ack 1
  finish
  > F. 101:101(0) ack 1
  < FP. 1:51(50) ack 1
  > . 102:102(0) ack 52
  state CLOSING
  read 50
  +0.1 < . 52(0) ack 101
  state CLOSING
  +0.01 < . 52(0) ack 102
  state TIME-WAIT

# In CLOSING our FIN is repeated until it is acknowledged.
story closing_repeats_its_fin
  option sack off
  listen
  < S 0:0(0) win 20000 <mss 1000>
  > S. 0:0(0) ack 1 <mss 1000>
  +0.1 < . 1(0) ack 1
  finish
  > F. 1:1(0) ack 1
  < F. 1(0) ack 1
  > . 2:2(0) ack 2
  +0.3 > F. 1:1(0) ack 2
  +0.1 < . 2(0) ack 2
  state TIME-WAIT

# ---- normal close, both ways

story normal_close_by_us
  use ESTABLISHED
  finish
  > F. 1:1(0) ack 1
  +0.1 < . 1(0) ack 2
  state FIN-WAIT-2
  +0.1 < F. 1(0) ack 2
  > . 2:2(0) ack 2
  state TIME-WAIT
  events readable peer_finished

story normal_close_by_the_peer
  use ESTABLISHED
  < F. 1(0) ack 1
  > . 1:1(0) ack 2
  state CLOSE-WAIT
  finish
  > F. 1:1(0) ack 2
  state LAST-ACK
  +0.1 < . 2(0) ack 2
  state CLOSED
  end finished

# ACK of our FIN and the peer's FIN in one segment.
story close_in_three_segments
  use ESTABLISHED
  finish
  > F. 1:1(0) ack 1
  +0.1 < F. 1(0) ack 2
  > . 2:2(0) ack 2
  state TIME-WAIT

# finish() before the handshake is over: FIN follows it.
story finish_before_established
  open
  > S 0:0(0) <mss 1000,sackOK>
  write 100
  finish
  nothing
  +0.1 < S. 0:0(0) ack 1 win 20000 <mss 1000,sackOK>
  > FP. 1:101(100) ack 1
  state FIN-WAIT-1

# ---- half closes

# We finished, the peer goes on (section 3.6 case 1).
story the_peer_goes_on_after_our_fin
  use FIN-WAIT-2
  < P. 1:1001(1000) ack 2
  < P. 1001:2001(1000) ack 2
  > . 2:2(0) ack 2001
  read 2000
  > . 2:2(0) ack 2001 win 20000
  +100 < FP. 2001:2011(10) ack 2
  > . 2:2(0) ack 2012
  read 10
  state TIME-WAIT

# The peer finished, we go on (case 2).
story we_go_on_after_the_peers_fin
  use CLOSE-WAIT
  write 2000
  > . 1:1001(1000) ack 2
  > P. 1001:2001(1000) ack 2
  +0.1 < . 2(0) ack 2001
  +100 write 10
  > P. 2001:2011(10) ack 2
  finish
  > F. 2011:2011(0) ack 2
  +0.1 < . 2(0) ack 2012
  state CLOSED
  end finished

# Data before a FIN that comes with it is delivered.
story data_with_a_fin
  use ESTABLISHED
  < FP. 1:101(100) ack 1
  > . 1:1(0) ack 102
  readable 100
  read 100
  state CLOSE-WAIT

# ---- close() and abort()

# RFC 9293 section 3.6.1, RFC 1122 section 4.2.2.13: unread data is lost: a reset.
story close_with_unread_data
  use ESTABLISHED
  < P. 1:11(10) ack 1
  close
  > R. 1:1(0) ack 11
  state CLOSED
  end aborted

# Data that arrives after close(): a reset.
story data_after_close
  use ESTABLISHED
  close
  > F. 1:1(0) ack 1
  +0.1 < P. 1:11(10) ack 2
  > R. 2:2(0) ack 1
  state CLOSED
  end aborted
  count data_after_close 1

# close() sends what was written first.
story close_sends_what_was_written
  use ESTABLISHED
  write 1500
  > . 1:1001(1000) ack 1
  close
  > FP. 1001:1501(500) ack 1
  +0.1 < F. 1(0) ack 1502
  > . 1502:1502(0) ack 2
  state TIME-WAIT

story close_in_syn_sent
  use SYN-SENT
  close
  nothing
  state CLOSED
  end aborted

# Section 3.10.5: abort in the states where the peer has something to lose.
story abort for SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT
  use $state
  abort
  > R. $S:$S(0) ack $R
  state CLOSED

story abort_silently for SYN-SENT CLOSING LAST-ACK TIME-WAIT
  use $state
  abort
  nothing
  state CLOSED
  end aborted

# What is written after the end goes nowhere.
story nothing_is_written_after_finish
  use FIN-WAIT-1
  write 10 takes 0
  writable 0

# After the end every segment is a stranger's (section 3.10.7.1).
story after_the_end_everything_is_reset
  use LAST-ACK
  < . 2(0) ack 2
  state CLOSED
  release
  connections 0
  peer 1000
  < . 2(0) ack 2
  > R 2:2(0)

# ---- TIME-WAIT gives way to a new connection (RFC 6191, RFC 9293 section 3.10.7.4)

story a_syn_with_a_higher_number_reuses_time_wait
  use TIME-WAIT
  release
  +1 < S 1000(0) win 20000 <mss 1000,sackOK>
  > S. *(0) ack 1001 <mss 1000,sackOK>
  state SYN-RECEIVED
  connections 1

story a_syn_with_an_old_number_does_not
  use TIME-WAIT
  release
  +1 < S -1000(0) win 20000 <mss 1000,sackOK>
  > . 2:2(0) ack 2 <*>
  state TIME-WAIT

# RFC 6191 section 2: a newer timestamp is enough, whatever the number; an older one is not.
macro TIME-WAIT-TIMESTAMPS
  use ESTABLISHED-TIMESTAMPS
  finish
  > F. 1:1(0) ack 1 <TS>
  +0.1 < F. 1(0) ack 2 <TS val 200 ecr 100>
  > . 2:2(0) ack 2 <TS>
  state TIME-WAIT
  release

story a_newer_timestamp_reuses_time_wait
  use TIME-WAIT-TIMESTAMPS
  +1 < S -1000(0) win 20000 <mss 1000,sackOK,TS val 1200 ecr 0>
  > S. *(0) ack -999 <mss 1000,sackOK,TS val 1200 ecr 1200>
  state SYN-RECEIVED

story an_older_timestamp_does_not
  use TIME-WAIT-TIMESTAMPS
  +1 < S 100000(0) win 20000 <mss 1000,sackOK,TS val 150 ecr 0>
  > . 2:2(0) ack 2 <TS>
  state TIME-WAIT

story an_equal_timestamp_and_a_higher_number_reuse_time_wait
  use TIME-WAIT-TIMESTAMPS
  +1 < S 100000(0) win 20000 <mss 1000,sackOK,TS val 200 ecr 0>
  > S. *(0) ack 100001 <mss 1000,sackOK,TS val 1200 ecr 200>

# A SYN,ACK or a SYN with RST begins nothing.
story only_a_plain_syn_reuses_time_wait
  use TIME-WAIT
  release
  +1 < S. 1000(0) ack 2 win 20000
  > . 2:2(0) ack 2
  < SR 1000(0)
  nothing
  state TIME-WAIT

# An application that still holds it keeps it.
story time_wait_that_is_held_stays
  use TIME-WAIT
  +1 < S 1000(0) win 20000 <mss 1000,sackOK>
  > . 2:2(0) ack 2
  state TIME-WAIT
