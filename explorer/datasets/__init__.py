from explorer.datasets.dataset import Dataset, DatasetInfo
from explorer.datasets.registry import dataset_info, dataset_names, load_dataset

__all__ = ["Dataset", "DatasetInfo", "dataset_info", "dataset_names", "load_dataset"]
