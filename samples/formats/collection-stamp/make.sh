#!/usr/bin/env bash
# Makes the file that `oc adm must-gather` leaves beside what it collected: when it began and when it ended.
date --rfc-3339=ns >timestamp
sleep 2
date --rfc-3339=ns >>timestamp
