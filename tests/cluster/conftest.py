from tests.ray_cluster import three_nodes as three_nodes
