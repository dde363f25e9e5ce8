# RFC 9293 section 3.10.7.4 with RFC 5961: each kind of segment in each synchronized state, in the order of the checks.
# $state runs over the states behind `for`; R, S, U are RCV.NXT, SND.NXT, SND.UNA there (states.story).

# First, the sequence number: what is not acceptable is answered with <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>; a reset is not.

story syn_outside for ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT
  # cell: $state x SYN-outside
  use $state
  +0.01 < S $R+30000(0) win 20000 <mss 1000,sackOK>
  > . $S:$S(0) ack $R
  count outside_window 1
  state $state

story data_outside for ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT
  # cell: $state x data-outside
  use $state
  +0.01 < . $R+30000(10) ack $U
  > . $S:$S(0) ack $R
  count outside_window 1
  state $state

# RFC 2883 section 4.1: what arrived twice is reported.
story data_old for ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT
  # cell: $state x data-old
  use $state
  +0.01 < . $R-20(10) ack $U
  > . $S:$S(0) ack $R <sack $R-20:$R-10>
  count outside_window 1
  state $state

# RFC 5961 section 3.2 (1): silently.
story rst_outside for SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT
  # cell: $state x RST-outside
  use $state
  +0.01 < R $R+30000(0)
  nothing
  state $state
  < R $R-1(0)
  nothing
  state $state

# Second, RST. RFC 5961 section 3.2 (2): only the exact number ends the connection.
story rst_exact for ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT
  # cell: $state x RST-exact
  use $state
  +0.01 < R $R(0)
  state CLOSED
  end reset
  deadline none

story rst_exact_late for CLOSING LAST-ACK
  # cell: $state x RST-exact
  use $state
  +0.01 < R $R(0)
  state CLOSED
  deadline none

# RFC 1337 section 3 (fix 1): TIME-WAIT is not assassinated.
story rst_exact_time_wait
  # cell: TIME-WAIT x RST-exact
  use TIME-WAIT
  +0.01 < R $R(0)
  nothing
  state TIME-WAIT
  count reset_ignored 1

story rst_ack for ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT
  # cell: $state x RST-ACK
  use $state
  +0.01 < R. $R(0) ack $S
  state CLOSED
  end reset

story rst_ack_late for CLOSING LAST-ACK
  # cell: $state x RST-ACK
  use $state
  +0.01 < R. $R(0) ack $S
  state CLOSED

story rst_ack_time_wait
  # cell: TIME-WAIT x RST-ACK
  use TIME-WAIT
  +0.01 < R. $R(0) ack $S
  nothing
  state TIME-WAIT

# RFC 5961 section 3.2 (3): in the window, not exact: a challenge ACK.
story rst_in_window for ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK
  # cell: $state x RST-in-window
  use $state
  +0.01 < R $R+10(0)
  > . $S:$S(0) ack $R
  state $state
  count reset_ignored 1

story rst_in_window_time_wait
  # cell: TIME-WAIT x RST-in-window
  use TIME-WAIT
  +0.01 < R $R+10(0)
  nothing
  state TIME-WAIT

# Fourth, SYN. RFC 5961 section 4.2: a challenge ACK, whatever the number.
story syn_in_window for ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT
  # cell: $state x SYN
  use $state
  +0.01 < S $R+10(0) win 20000 <mss 1000,sackOK>
  > . $S:$S(0) ack $R
  state $state
  count syn_challenged 1

story syn_ack for ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT
  # cell: $state x SYN-ACK
  use $state
  +0.01 < S. $R(0) ack $S win 20000 <mss 1000,sackOK>
  > . $S:$S(0) ack $R
  state $state
  count syn_challenged 1

# Our handshake ACK was lost and the peer repeats its SYN,ACK: it is old, an ACK answers it.
story syn_ack_again_at_the_active_side
  use ESTABLISHED-ACTIVE
  +0.01 < S. 0:0(0) ack 1 win 20000 <mss 1000,sackOK>
  > . 1:1(0) ack 1 <*>
  state ESTABLISHED

# Fifth, ACK. Without the flag: drop and return.
story no_ack for SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT
  # cell: $state x no-ACK
  use $state
  +0.01 < - $R(10)
  nothing
  state $state
  count no_ack 1

# A duplicate of what was acknowledged before is ignored.
story ack_old for ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT
  # cell: $state x ACK-old
  use $state
  +0.01 < . $R(0) ack $U-1
  nothing
  state $state

# RFC 5961 section 5.2: older than any window the peer offered: a challenge ACK.
story ack_ancient for ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT
  # cell: $state x ACK-ancient
  use $state
  +0.01 < . $R(0) ack $U-30000
  > . $S:$S(0) ack $R
  state $state
  count ack_challenged 1

story ack_future for ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT
  # cell: $state x ACK-future
  use $state
  +0.01 < . $R(0) ack $S+10
  > . $S:$S(0) ack $R
  state $state
  count ack_challenged 1

# The text of a segment whose ACK is not acceptable does not count either (RFC 5961 section 5.2).
story data_with_future_ack for ESTABLISHED FIN-WAIT-1 FIN-WAIT-2
  use $state
  +0.01 < P. $R(10) ack $S+10
  > . $S:$S(0) ack $R
  state $state
  readable 0

story ack_valid for ESTABLISHED FIN-WAIT-2 CLOSE-WAIT TIME-WAIT
  # cell: $state x ACK-valid
  use $state
  +0.01 < . $R(0) ack $S
  nothing
  state $state

story ack_valid_moves_on_fin_wait_1
  # cell: FIN-WAIT-1 x ACK-valid
  use FIN-WAIT-1
  +0.01 < . $R(0) ack $S
  nothing
  state FIN-WAIT-2

story ack_valid_moves_on_closing
  # cell: CLOSING x ACK-valid
  use CLOSING
  +0.01 < . $R(0) ack $S
  nothing
  state TIME-WAIT

story ack_valid_moves_on_last_ack
  # cell: LAST-ACK x ACK-valid
  use LAST-ACK
  +0.01 < . $R(0) ack $S
  nothing
  state CLOSED
  end finished
  deadline none

story window_update for ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK
  # cell: $state x window-update
  use $state
  +0.01 < . $R(0) ack $U win 5000
  nothing
  state $state
  peer_window 5000

story window_update_time_wait
  # cell: TIME-WAIT x window-update
  use TIME-WAIT
  +0.01 < . $R(0) ack $U win 5000
  nothing
  state TIME-WAIT

# Seventh, text: received until the peer's FIN, then ignored.
story data for ESTABLISHED FIN-WAIT-1 FIN-WAIT-2
  # cell: $state x data
  use $state
  +0.01 < P. $R(10) ack $U
  readable 10
  state $state
  +0.04 > . $S:$S(0) ack $R+10
  read 10

story data_ignored for CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT
  # cell: $state x data
  use $state
  +0.01 < P. $R(10) ack $U
  +0.05 nothing
  readable 0
  state $state

# RFC 5681 section 4.2: out of order, an ACK at once; RFC 2018: with what arrived.
story data_gap for ESTABLISHED FIN-WAIT-1 FIN-WAIT-2
  # cell: $state x data-gap
  use $state
  +0.01 < P. $R+100(10) ack $U
  > . $S:$S(0) ack $R <sack $R+100:$R+110>
  readable 0
  state $state

story data_gap_ignored for CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT
  # cell: $state x data-gap
  use $state
  +0.01 < P. $R+100(10) ack $U
  +0.05 nothing
  readable 0
  state $state

story data_partly for ESTABLISHED FIN-WAIT-1 FIN-WAIT-2
  # cell: $state x data-partly
  use $state
  +0.01 < P. $R-5(10) ack $U
  > . $S:$S(0) ack $R+5 <sack $R-5:$R>
  readable 5
  read 5
  state $state

story data_partly_ignored for CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT
  # cell: $state x data-partly
  use $state
  +0.01 < P. $R-5(10) ack $U
  +0.05 nothing
  readable 0
  state $state

# Section 3.10.7.4: "portions of the segment with higher sequence numbers" than the window are cut off.
story data_beyond for ESTABLISHED FIN-WAIT-1 FIN-WAIT-2
  # cell: $state x data-beyond
  use $state
  +0.01 < P. $R+19990(100) ack $U
  > . $S:$S(0) ack $R <sack $R+19990:$R+20000>
  readable 0
  state $state

story data_beyond_ignored for CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT
  # cell: $state x data-beyond
  use $state
  +0.01 < P. $R+19990(100) ack $U
  +0.05 nothing
  readable 0
  state $state

# Sixth, URG: accepted as data.
story urgent for ESTABLISHED FIN-WAIT-1 FIN-WAIT-2
  # cell: $state x urgent
  use $state
  +0.01 < UP. $R(10) ack $U
  readable 10
  read 10
  state $state
  +0.04 > . $S:$S(0) ack $R+10

story urgent_ignored for CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT
  # cell: $state x urgent
  use $state
  +0.01 < UP. $R(10) ack $U
  +0.05 nothing
  readable 0
  state $state

# Section 3.2 (MUST-7): an option with a wrong length ends the options, not the connection.
story bad_options for ESTABLISHED FIN-WAIT-1 FIN-WAIT-2
  # cell: $state x bad-options
  use $state
  +0.01 < P. $R(10) ack $U <raw fd00fd01>
  < P. $R+10(10) ack $U <raw 05ff0000>
  readable 20
  state $state
  +0.04 > . $S:$S(0) ack $R+20

story bad_options_ignored for CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT
  # cell: $state x bad-options
  use $state
  +0.01 < P. $R(10) ack $U <raw fd00fd01>
  +0.05 nothing
  state $state

# Eighth, FIN.
story fin_at_established
  # cell: ESTABLISHED x FIN
  use ESTABLISHED
  +0.01 < F. $R(0) ack $U
  > . $S:$S(0) ack $R+1
  state CLOSE-WAIT
  events readable peer_finished

story fin_at_fin_wait_1
  # cell: FIN-WAIT-1 x FIN
  use FIN-WAIT-1
  +0.01 < F. $R(0) ack $U
  > . $S:$S(0) ack $R+1
  state CLOSING

story fin_with_ack_of_ours_at_fin_wait_1
  use FIN-WAIT-1
  +0.01 < F. $R(0) ack $S
  > . $S:$S(0) ack $R+1
  state TIME-WAIT

story fin_at_fin_wait_2
  # cell: FIN-WAIT-2 x FIN
  use FIN-WAIT-2
  +0.01 < F. $R(0) ack $U
  > . $S:$S(0) ack $R+1
  state TIME-WAIT

# The peer's FIN again: our ACK was lost.
story fin_again for CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT
  # cell: $state x FIN
  use $state
  +0.01 < F. $R-1(0) ack $U
  > . $S:$S(0) ack $R <*>
  state $state

# A FIN behind a gap is remembered, and counts when the gap is filled.
story fin_gap_established
  # cell: ESTABLISHED x FIN-gap
  use ESTABLISHED
  +0.01 < F. $R+10(0) ack $U
  > . $S:$S(0) ack $R
  state ESTABLISHED
  +0.01 < P. $R(10) ack $U
  > . $S:$S(0) ack $R+11
  state CLOSE-WAIT
  read 10

story fin_gap_fin_wait_1
  # cell: FIN-WAIT-1 x FIN-gap
  use FIN-WAIT-1
  +0.01 < F. $R+10(0) ack $U
  > . $S:$S(0) ack $R
  state FIN-WAIT-1
  +0.01 < P. $R(10) ack $U
  > . $S:$S(0) ack $R+11
  state CLOSING

story fin_gap_fin_wait_2
  # cell: FIN-WAIT-2 x FIN-gap
  use FIN-WAIT-2
  +0.01 < F. $R+10(0) ack $U
  > . $S:$S(0) ack $R
  state FIN-WAIT-2
  +0.01 < P. $R(10) ack $U
  > . $S:$S(0) ack $R+11
  state TIME-WAIT

story fin_gap_ignored for CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT
  # cell: $state x FIN-gap
  use $state
  +0.01 < F. $R+10(0) ack $U
  nothing
  state $state
