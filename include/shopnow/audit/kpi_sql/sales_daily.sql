SELECT * FROM sales WHERE part_of = 'day'
