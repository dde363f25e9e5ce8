# RFC 9293 section 3.10.7.1 to 3.10.7.4: each kind of segment before the connection is synchronized.

# ---- CLOSED (3.10.7.1): a reset answers anything but a reset.

story closed_syn
  # cell: CLOSED x SYN
  use CLOSED
  < S 0:0(0)
  > R. =0(0) ack 1

story closed_syn_far
  # cell: CLOSED x SYN-outside
  use CLOSED
  < S 100000(0)
  > R. =0(0) ack 100001

story closed_syn_ack
  # cell: CLOSED x SYN-ACK
  use CLOSED
  < S. 0:0(0) ack 1
  > R 1:1(0)

story closed_ack_old
  # cell: CLOSED x ACK-old
  use CLOSED
  < . 1(0) ack 0
  > R 0:0(0)

story closed_ack_ancient
  # cell: CLOSED x ACK-ancient
  use CLOSED
  < . 1(0) ack -30000
  > R -30000(0)

story closed_ack
  # cell: CLOSED x ACK-valid
  # cell: CLOSED x window-update
  use CLOSED
  < . 1(0) ack 1 win 5000
  > R 1:1(0)

story closed_ack_future
  # cell: CLOSED x ACK-future
  use CLOSED
  < . 1(0) ack 100000
  > R 100000(0)

story closed_no_ack
  # cell: CLOSED x no-ACK
  use CLOSED
  < - 1:11(10)
  > R. =0(0) ack 11

story closed_data
  # cell: CLOSED x data
  # cell: CLOSED x data-gap
  # cell: CLOSED x data-partly
  # cell: CLOSED x data-beyond
  # cell: CLOSED x data-old
  # cell: CLOSED x data-outside
  use CLOSED
  < P. 1:11(10) ack 1
  > R 1:1(0)
  < P. 101:111(10) ack 1
  > R 1:1(0)
  < P. -5(10) ack 1
  > R 1:1(0)
  < P. 19990(100) ack 1
  > R 1:1(0)
  < P. -20(10) ack 1
  > R 1:1(0)
  < P. 30000(10) ack 1
  > R 1:1(0)

story closed_fin
  # cell: CLOSED x FIN
  # cell: CLOSED x FIN-gap
  use CLOSED
  < F. 1(0) ack 1
  > R 1:1(0)
  < F. 100(0) ack 7
  > R 7:7(0)
  < F 1(0)
  > R. =0(0) ack 2

story closed_rst
  # cell: CLOSED x RST-exact
  # cell: CLOSED x RST-in-window
  # cell: CLOSED x RST-outside
  # cell: CLOSED x RST-ACK
  use CLOSED
  < R 1(0)
  nothing
  < R 11(0)
  nothing
  < R 30000(0)
  nothing
  < R. 1(0) ack 1
  nothing

story closed_bad_options
  # cell: CLOSED x bad-options
  use CLOSED
  < S 0:0(0) <raw 0200ffff>
  > R. =0(0) ack 1

story closed_urgent
  # cell: CLOSED x urgent
  use CLOSED
  < UP. 1(10) ack 1
  > R 1:1(0)

# ---- LISTEN (3.10.7.2): RST ignored, ACK reset, SYN answered, the rest dropped.

story listen_syn
  # cell: LISTEN x SYN
  use LISTEN
  < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. 0:0(0) ack 1 win 20000 <mss 1000,sackOK>
  state SYN-RECEIVED

story listen_syn_far
  # cell: LISTEN x SYN-outside
  use LISTEN
  < S 100000(0) win 20000
  > S. 0:0(0) ack 100001 <mss 1000>
  state SYN-RECEIVED

story listen_syn_ack
  # cell: LISTEN x SYN-ACK
  use LISTEN
  < S. 0:0(0) ack 1
  > R 1:1(0)
  state CLOSED

story listen_ack
  # cell: LISTEN x ACK-old
  # cell: LISTEN x ACK-ancient
  # cell: LISTEN x ACK-valid
  # cell: LISTEN x ACK-future
  # cell: LISTEN x window-update
  use LISTEN
  < . 1(0) ack 0
  > R 0:0(0)
  < . 1(0) ack -30000
  > R -30000(0)
  < . 1(0) ack 1
  > R 1:1(0)
  < . 1(0) ack 100000
  > R 100000(0)
  < . 1(0) ack 1 win 5000
  > R 1:1(0)
  connections 0

story listen_no_ack
  # cell: LISTEN x no-ACK
  use LISTEN
  < - 1:11(10)
  nothing
  < F 1(0)
  nothing
  connections 0

story listen_data
  # cell: LISTEN x data
  # cell: LISTEN x data-gap
  # cell: LISTEN x data-partly
  # cell: LISTEN x data-beyond
  # cell: LISTEN x data-old
  # cell: LISTEN x data-outside
  use LISTEN
  < P. 1:11(10) ack 1
  > R 1:1(0)
  < P. 101:111(10) ack 2
  > R 2:2(0)
  < P. -5(10) ack 3
  > R 3:3(0)
  < P. 19990(100) ack 4
  > R 4:4(0)
  < P. -20(10) ack 5
  > R 5:5(0)
  < P. 30000(10) ack 6
  > R 6:6(0)
  connections 0

story listen_fin
  # cell: LISTEN x FIN
  # cell: LISTEN x FIN-gap
  use LISTEN
  < F. 1(0) ack 1
  > R 1:1(0)
  < F. 100(0) ack 1
  > R 1:1(0)

story listen_rst
  # cell: LISTEN x RST-exact
  # cell: LISTEN x RST-in-window
  # cell: LISTEN x RST-outside
  # cell: LISTEN x RST-ACK
  use LISTEN
  < R 1(0)
  nothing
  < R 11(0)
  nothing
  < R 30000(0)
  nothing
  < R. 1(0) ack 1
  nothing
  connections 0

# RFC 9293 section 3.7.1: no readable MSS option means 536.
story listen_bad_options
  # cell: LISTEN x bad-options
  use LISTEN
  < S 0:0(0) win 20000 <raw 0200ffff>
  > S. 0:0(0) ack 1 <mss 1000>
  mss 536

story listen_urgent
  # cell: LISTEN x urgent
  use LISTEN
  < UP. 1(10) ack 1
  > R 1:1(0)

# ---- SYN-SENT (3.10.7.3)

# Simultaneous open: SYN,ACK with the number of our SYN.
story syn_sent_syn
  # cell: SYN-SENT x SYN
  use SYN-SENT
  +0.01 < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. 0:0(0) ack 1 <mss 1000,sackOK>
  state SYN-RECEIVED

# No number is outside of a window that is not known yet.
story syn_sent_syn_far
  # cell: SYN-SENT x SYN-outside
  use SYN-SENT
  +0.01 < S 100000(0) win 20000 <mss 1000,sackOK>
  > S. 0:0(0) ack 100001 <mss 1000,sackOK>
  state SYN-RECEIVED

story syn_sent_syn_ack
  # cell: SYN-SENT x SYN-ACK
  use SYN-SENT
  +0.01 < S. 0:0(0) ack 1 win 20000 <mss 1000,sackOK>
  > . 1:1(0) ack 1
  state ESTABLISHED
  events connected writable

# First, ACK: <= ISS or > SND.NXT: a reset with that number, unless it is one.
story syn_sent_ack_unacceptable
  # cell: SYN-SENT x ACK-old
  # cell: SYN-SENT x ACK-ancient
  # cell: SYN-SENT x ACK-future
  use SYN-SENT
  +0.01 < . 5(0) ack 0
  > R 0:0(0)
  < . 5(0) ack -30000
  > R -30000(0)
  < . 5(0) ack 11
  > R 11:11(0)
  < S. 5(0) ack 2
  > R 2:2(0)
  state SYN-SENT
  count unacceptable_ack 4

# Fifth: neither SYN nor RST: drop.
story syn_sent_without_syn
  # cell: SYN-SENT x ACK-valid
  # cell: SYN-SENT x no-ACK
  # cell: SYN-SENT x data
  # cell: SYN-SENT x data-gap
  # cell: SYN-SENT x data-partly
  # cell: SYN-SENT x data-beyond
  # cell: SYN-SENT x data-old
  # cell: SYN-SENT x data-outside
  # cell: SYN-SENT x FIN
  # cell: SYN-SENT x FIN-gap
  # cell: SYN-SENT x urgent
  # cell: SYN-SENT x window-update
  use SYN-SENT
  +0.01 < . 1(0) ack 1
  nothing
  < - 1(10)
  nothing
  < P. 1(10) ack 1
  nothing
  < P. 101(10) ack 1
  nothing
  < P. -5(10) ack 1
  nothing
  < P. 19990(100) ack 1
  nothing
  < P. -20(10) ack 1
  nothing
  < P. 30000(10) ack 1
  nothing
  < F. 1(0) ack 1
  nothing
  < F. 100(0) ack 1
  nothing
  < UP. 1(10) ack 1
  nothing
  < . 1(0) ack 1 win 5000
  nothing
  state SYN-SENT

# Second, RST: believed only with an ACK of our SYN (RFC 5961 section 3.2 keeps this).
story syn_sent_rst
  # cell: SYN-SENT x RST-exact
  # cell: SYN-SENT x RST-in-window
  # cell: SYN-SENT x RST-outside
  use SYN-SENT
  +0.01 < R 1(0)
  nothing
  < R 11(0)
  nothing
  < R 30000(0)
  nothing
  < R. 0(0) ack 0
  nothing
  < R. 0(0) ack 2
  nothing
  state SYN-SENT

story syn_sent_rst_ack
  # cell: SYN-SENT x RST-ACK
  use SYN-SENT
  +0.01 < R. 0(0) ack 1
  nothing
  state CLOSED
  end refused
  events ended
  deadline none

story syn_sent_bad_options
  # cell: SYN-SENT x bad-options
  use SYN-SENT
  +0.01 < S. 0:0(0) ack 1 win 20000 <raw 0201ffff>
  > . 1:1(0) ack 1
  state ESTABLISHED
  mss 536

# Data and FIN of a SYN,ACK count (3.10.7.3 fifth).
story syn_sent_syn_ack_with_data
  use SYN-SENT
  +0.01 < SP. 0(0) ack 1 win 20000 <mss 1000,sackOK>
  > . 1:1(0) ack 1
  state ESTABLISHED

story syn_sent_syn_ack_fin
  use SYN-SENT
  +0.01 < SF. 0(0) ack 1 win 20000 <mss 1000,sackOK>
  > . 1:1(0) ack 2
  state CLOSE-WAIT

# ---- SYN-RECEIVED (3.10.7.4), from a passive open

# Fourth, SYN in the window: back to LISTEN.
story syn_received_syn
  # cell: SYN-RECEIVED x SYN
  use SYN-RECEIVED
  +0.01 < S $R+10(0) win 20000 <mss 1000,sackOK>
  nothing
  state CLOSED
  connections 0

story syn_received_syn_ack
  # cell: SYN-RECEIVED x SYN-ACK
  use SYN-RECEIVED
  +0.01 < S. $R(0) ack 1 win 20000 <mss 1000,sackOK>
  nothing
  state CLOSED
  connections 0

# After a simultaneous open it is handled as in the synchronized states (RFC 5961 section 4.2).
story syn_received_active_syn
  use SYN-SENT
  +0.01 < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. 0:0(0) ack 1 <mss 1000,sackOK>
  +0.01 < S 10(0) win 20000 <mss 1000,sackOK>
  > . 1:1(0) ack 1
  state SYN-RECEIVED

# The SYN again: our SYN,ACK was lost or is under way. Outside of the window: an ACK.
story syn_received_syn_again
  # cell: SYN-RECEIVED x SYN-outside
  use SYN-RECEIVED
  +0.01 < S 0:0(0) win 20000 <mss 1000,sackOK>
  > . 1:1(0) ack 1 <*>
  state SYN-RECEIVED

# Fifth, ACK not in SND.UNA < SEG.ACK =< SND.NXT: a reset with that number.
story syn_received_ack_unacceptable
  # cell: SYN-RECEIVED x ACK-old
  # cell: SYN-RECEIVED x ACK-ancient
  # cell: SYN-RECEIVED x ACK-future
  use SYN-RECEIVED
  +0.01 < . 1(0) ack 0
  > R 0:0(0)
  < . 1(0) ack -30000
  > R -30000(0)
  < . 1(0) ack 11
  > R 11:11(0)
  state SYN-RECEIVED
  count unacceptable_ack 3

story syn_received_ack
  # cell: SYN-RECEIVED x ACK-valid
  # cell: SYN-RECEIVED x window-update
  use SYN-RECEIVED
  +0.01 < . 1(0) ack 1 win 5000
  nothing
  state ESTABLISHED
  peer_window 5000
  count accepted 1

story syn_received_data
  # cell: SYN-RECEIVED x data
  use SYN-RECEIVED
  +0.01 < P. 1(10) ack 1
  state ESTABLISHED
  readable 10
  +0.04 > . 1:1(0) ack 11

story syn_received_data_gap
  # cell: SYN-RECEIVED x data-gap
  use SYN-RECEIVED
  +0.01 < P. 101(10) ack 1
  > . 1:1(0) ack 1 <sack 101:111>
  state ESTABLISHED
  readable 0

story syn_received_data_partly
  # cell: SYN-RECEIVED x data-partly
  use SYN-RECEIVED
  +0.01 < P. -4(10) ack 1
  > . 1:1(0) ack 6 <sack -4:1>
  state ESTABLISHED
  readable 5

story syn_received_data_beyond
  # cell: SYN-RECEIVED x data-beyond
  use SYN-RECEIVED
  +0.01 < P. 19991(100) ack 1
  > . 1:1(0) ack 1 <sack 19991:20001>
  state ESTABLISHED

story syn_received_data_old
  # cell: SYN-RECEIVED x data-old
  # cell: SYN-RECEIVED x data-outside
  use SYN-RECEIVED
  +0.01 < P. -20(10) ack 1
  > . 1:1(0) ack 1 <*>
  < P. 30000(10) ack 1
  > . 1:1(0) ack 1 <*>
  state SYN-RECEIVED

story syn_received_fin
  # cell: SYN-RECEIVED x FIN
  use SYN-RECEIVED
  +0.01 < F. 1(0) ack 1
  > . 1:1(0) ack 2
  state CLOSE-WAIT

story syn_received_fin_gap
  # cell: SYN-RECEIVED x FIN-gap
  use SYN-RECEIVED
  +0.01 < F. 11(0) ack 1
  > . 1:1(0) ack 1
  state ESTABLISHED
  < P. 1(10) ack 1
  > . 1:1(0) ack 12
  state CLOSE-WAIT

# Second, RST: back to LISTEN, nobody is told.
story syn_received_rst
  # cell: SYN-RECEIVED x RST-exact
  use SYN-RECEIVED
  +0.01 < R 1(0)
  nothing
  connections 0
  count accepted 0

story syn_received_rst_ack
  # cell: SYN-RECEIVED x RST-ACK
  use SYN-RECEIVED
  +0.01 < R. 1(0) ack 1
  nothing
  connections 0

# After an active open it was refused.
story syn_received_active_rst
  use SYN-SENT
  +0.01 < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. 0:0(0) ack 1 <mss 1000,sackOK>
  +0.01 < R 1(0)
  nothing
  state CLOSED
  end refused

story syn_received_rst_in_window
  # cell: SYN-RECEIVED x RST-in-window
  use SYN-RECEIVED
  +0.01 < R 11(0)
  > . 1:1(0) ack 1
  state SYN-RECEIVED

story syn_received_bad_options
  # cell: SYN-RECEIVED x bad-options
  use SYN-RECEIVED
  +0.01 < P. 1(10) ack 1 <raw 0501ffff>
  state ESTABLISHED
  readable 10
  +0.04 > . 1:1(0) ack 11

story syn_received_urgent
  # cell: SYN-RECEIVED x urgent
  use SYN-RECEIVED
  +0.01 < UP. 1(10) ack 1
  state ESTABLISHED
  readable 10
  +0.04 > . 1:1(0) ack 11
