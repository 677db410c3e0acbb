"""Substitute of Slicer's SampleData module: registered data sets, fetched into the cache."""

from __future__ import annotations

import logging
import shutil
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer


def _listed(value: Any, count: int, several: bool) -> list[Any]:
    if several and isinstance(value, (list, tuple)):
        return list(value)
    return [value] * count


@dataclass(init=False)
class SampleDataSource:
    """A data set of one or more files; all lists have one item for each URI."""

    sampleName: str | None
    sampleDescription: str | None
    uris: list[str]
    fileNames: list[str]
    nodeNames: list[str | None]
    checksums: list[str | None]
    loadFiles: list[bool | None]
    loadFileTypes: list[str | None]
    loadFileProperties: dict[str, Any]
    customDownloader: Callable | None
    thumbnailFileName: str | None

    def __init__(
        self,
        sampleName: str | None = None,
        sampleDescription: str | None = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        checksums: Any = None,
        loadFiles: Any = None,
        customDownloader: Callable | None = None,
        thumbnailFileName: str | None = None,
        loadFileTypes: Any = None,
        loadFileProperties: dict[str, Any] | None = None,
        loadFileType: Any = None,
    ):
        several = isinstance(uris, (list, tuple))
        self.sampleName = sampleName
        self.sampleDescription = sampleDescription or sampleName
        self.uris = list(uris) if several else [uris]
        count = len(self.uris)
        self.fileNames = _listed(fileNames, count, several)
        self.nodeNames = _listed(nodeNames, count, several)
        self.checksums = _listed(checksums, count, several)
        self.loadFiles = _listed(loadFiles, count, several)
        self.loadFileTypes = _listed(loadFileTypes or loadFileType, count, several)
        self.loadFileProperties = loadFileProperties or {}
        self.customDownloader = customDownloader
        self.thumbnailFileName = thumbnailFileName
        for name in ("fileNames", "nodeNames", "checksums", "loadFiles", "loadFileTypes"):
            if len(getattr(self, name)) != count:
                raise ValueError(f"{name} must have {count} items, got {getattr(self, name)}")


class SampleDataLogic:
    """Registers and downloads data sets."""

    def __init__(self, logMessage: Callable | None = None):
        self._log = logMessage

    @staticmethod
    def registerCustomSampleDataCategory(category: str, title: str) -> None:
        """Make a category known, so that its data sets are shown under a title."""
        slicer.modules.sampleDataSources.setdefault(category, [])

    @staticmethod
    def registerCustomSampleDataSource(
        category: str = "Custom",
        sampleName: str | None = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        customDownloader: Callable | None = None,
        thumbnailFileName: str | None = None,
        loadFileTypes: Any = None,
        loadFiles: Any = None,
        loadFileProperties: dict[str, Any] = {},  # noqa: B006
        checksums: Any = None,
        loadFileType: Any = None,
    ) -> None:
        """Register a data set in a category; the same one twice counts once."""
        source = SampleDataSource(
            sampleName,
            uris=uris,
            fileNames=fileNames,
            nodeNames=nodeNames,
            checksums=checksums,
            loadFiles=loadFiles,
            customDownloader=customDownloader,
            thumbnailFileName=thumbnailFileName,
            loadFileTypes=loadFileTypes,
            loadFileProperties=loadFileProperties,
            loadFileType=loadFileType,
        )
        if not SampleDataLogic.isSampleDataSourceRegistered(category, source):
            slicer.modules.sampleDataSources.setdefault(category, []).append(source)

    @staticmethod
    def sampleDataSourcesByCategory(category: str | None = None) -> Any:
        """All data sets of a category, or all categories."""
        sources = slicer.modules.sampleDataSources
        return sources if category is None else sources.get(category, [])

    @staticmethod
    def isSampleDataSourceRegistered(category: str, sampleDataSource: SampleDataSource) -> bool:
        """Whether the data set is registered in the category."""
        return sampleDataSource in slicer.modules.sampleDataSources.get(category, [])

    def sourceForSampleName(self, sampleName: str) -> SampleDataSource | None:
        """The data set of a name, or None."""
        groups = slicer.modules.sampleDataSources.values()
        named = (item for group in groups for item in group if item.sampleName == sampleName)
        return next(named, None)

    def categoryForSource(self, a_source: SampleDataSource) -> str | None:
        """The category of a data set, or None."""
        groups = slicer.modules.sampleDataSources.items()
        return next((name for name, group in groups if a_source in group), None)

    def logMessage(self, message: str, logLevel: int = 10) -> None:
        """Pass a message on to the owner."""
        if self._log is not None:
            self._log(message, logLevel)

    def downloadFile(
        self,
        uri: str,
        destFolderPath: str,
        name: str,
        checksum: str | None = None,
        forceDownload: bool = False,
    ) -> str:
        """Fetch a file: URI; a file that is there already is kept if its checksum is right.

        As in Slicer a fetched file with a wrong checksum is deleted and its path returned.
        Raises ValueError where the URI cannot be read, and RuntimeError for other schemes, since
        tests stay off the network.
        """
        algorithm, digest = slicer.util.extractAlgoAndDigest(checksum)
        target = Path(destFolderPath) / name

        def right() -> bool:
            return not algorithm or slicer.util.computeChecksum(algorithm, str(target)) == digest

        if not forceDownload and target.is_file() and target.stat().st_size and right():
            return str(target)
        parsed = urllib.parse.urlparse(uri)
        if parsed.scheme != "file":
            raise RuntimeError(f"the host fetches file: URIs only, got {uri}")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(urllib.request.url2pathname(parsed.path), target)
        except OSError as error:
            raise ValueError(f"Failed to download {uri} to {target}: {error}") from error
        if not right():
            self.logMessage(f"{uri}: checksum differs from {checksum}")
            target.unlink()
        return str(target)

    def downloadFileIntoCache(
        self, uri: str, name: str, checksum: str | None = None, forceDownload: bool = False
    ) -> str:
        """Fetch a file into the scene's cache folder."""
        folder = slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory()
        return self.downloadFile(uri, folder, name, checksum, forceDownload)

    def downloadFromSource(
        self,
        source: SampleDataSource,
        maximumAttemptsCount: int = 3,
        forceDownload: bool = False,
    ) -> list[Any]:
        """Fetch a data set and load it; returns nodes, or paths of what is not loaded.

        What cannot be fetched or loaded in three attempts is missing from the result.
        """
        named = any(source.nodeNames)
        nodes, paths = [], []
        for index, uri in enumerate(source.uris):
            file_name = source.fileNames[index] or f"{uuid.uuid4().hex}-{uri.rpartition('/')[2]}"
            load = source.loadFiles[index] is not False
            name = source.nodeNames[index] or (None if named else Path(file_name).stem)
            for _attempt in range(maximumAttemptsCount):
                try:
                    path = self.downloadFileIntoCache(
                        uri, file_name, source.checksums[index], forceDownload
                    )
                except ValueError as error:
                    self.logMessage(str(error), logging.ERROR)
                    continue
                if not load or name is None:
                    (nodes if name else paths).append(path)
                    break
                kind, properties = source.loadFileTypes[index], dict(source.loadFileProperties)
                node = self.loadNode(path, name, kind, properties)
                if node is not None:
                    nodes.append(node)
                    break
                Path(path).unlink(missing_ok=True)
        return nodes or paths

    def loadNode(
        self,
        uri: str,
        name: str,
        fileType: str | None = None,
        fileProperties: dict[str, Any] = {},  # noqa: B006
    ) -> Any:
        """Load a file; returns its first node without storage node, or None."""
        import vtk

        manager, loaded = slicer.app.coreIOManager(), vtk.vtkCollection()
        properties = {**fileProperties, "fileName": uri, "name": name}
        manager.loadNodes(fileType or manager.fileType(uri), properties, loaded)
        for node in loaded:
            storage = node.GetStorageNode() if node.IsA("vtkMRMLStorableNode") else None
            if storage is not None:  # the file lies in the cache
                slicer.mrmlScene.RemoveNode(storage)
                node.SetAndObserveStorageNodeID(None)
        return loaded.GetItemAsObject(0)

    def downloadSample(self, sampleName: str) -> Any:
        """Fetch and load a data set by name; returns its first node."""
        return self.downloadSamples(sampleName)[0]

    def downloadSamples(self, sampleName: str) -> list[Any]:
        """Fetch and load a data set by name; empty where there is none of that name."""
        source = self.sourceForSampleName(sampleName)
        return self.downloadFromSource(source) if source is not None else []


def downloadSample(sampleName: str) -> Any:
    """Fetch and load a data set by name; returns its first node."""
    return SampleDataLogic().downloadSample(sampleName)


def downloadSamples(sampleName: str) -> list[Any]:
    """Fetch and load a data set by name; returns its nodes."""
    return SampleDataLogic().downloadSamples(sampleName)
