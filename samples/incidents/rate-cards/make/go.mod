module example.com/ratecards

go 1.26
